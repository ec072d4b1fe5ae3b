/*
 * pinion.h: all of Pinion's public interface. Each part also has a header of its own.
 */
#pragma once
#include <pinion/arena.h>
#include <pinion/chan.h>
#include <pinion/context.h>
#include <pinion/go.h>
#include <pinion/runtime.h>
#include <pinion/sync.h>
#include <pinion/time.h>
