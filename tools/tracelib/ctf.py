"""Common Trace Format 1.8: a folder with `metadata` (TSDL) and one stream file a hart, for babeltrace2.

Events are the records as they are, in the merged order and with its times (in ticks; the clock says
how many there are in a second). All fields lie on byte boundaries. A file is one packet.
"""
import os
import struct
import uuid
import zlib

from tracelib import records as r
from tracelib.watcher import Watcher

MAGIC = 0xC1FC1FC1
HEADER = struct.Struct("<I16sIQQQQQI")  # magic, uuid, stream; context: packet()
EVENT = struct.Struct("<BQ")
U8, U16, U32, U64 = "u8", "u16", "u32", "u64"
FORMAT = {U8: "B", U16: "H", U32: "I", U64: "Q"}

# type: (fields: name, place in the record, kind); those of TEXT_LENGTH end in a string.
G_, ARG, AUX, AUX2, SEQ = r.G, r.ARG, r.AUX, r.AUX2, r.SEQ
G_FIELD = ("g", G_, U64)
N_FIELD, P_FIELD = ("n", ARG, U64), ("p", AUX2, U16)
NUMBER = ("number", SEQ, U32)
TO = ("place", AUX, U8)
TASK = ("task", ARG, U64)
FIELDS = {
    r.G_STATUS: (G_FIELD, ("entry", ARG, U64), ("status", AUX, U8), ("reason", AUX2, U16), NUMBER),
    r.G_CREATE: (G_FIELD, ("entry", ARG, U64), TO, P_FIELD, ("made_at", SEQ, U32)),
    r.G_START: (G_FIELD, P_FIELD, NUMBER),
    r.G_SCHED: (G_FIELD, TO, P_FIELD, NUMBER),
    r.G_PREEMPT: (G_FIELD, ("why", AUX, U8), NUMBER),
    r.G_BLOCK: (G_FIELD, ("reason", AUX, U8), NUMBER),
    r.G_UNBLOCK: (G_FIELD, ("waker", ARG, U64), TO, P_FIELD, NUMBER),
    r.G_END: (G_FIELD, NUMBER),
    r.SECTION_ENTER: (G_FIELD, P_FIELD, NUMBER),
    r.SECTION_EXIT: (G_FIELD, ("how", AUX, U8), P_FIELD, NUMBER),
    r.P_START: (P_FIELD,),
    r.P_STOP: (("why", AUX, U8), P_FIELD),
    r.STEAL: (G_FIELD, N_FIELD, ("victim", AUX2, U16)),
    r.GLOBAL_GET: (N_FIELD, P_FIELD),
    r.SPILL: (N_FIELD, P_FIELD),
    r.IPI_SEND: (("hart", ARG, U64), ("why", AUX, U8)),
    r.TIMER_FIRE: (P_FIELD,),
    r.STW_BEGIN: (G_FIELD,),
    r.STW_END: (G_FIELD,),
    r.GOMAXPROCS: (N_FIELD,),
    r.RETAKE: (("hart", ARG, U64), P_FIELD),
    r.G_NAME: (G_FIELD,),
    r.G_BEHIND: (G_FIELD, P_FIELD),
    r.LOG: (G_FIELD, TASK, ("category_length", AUX, U8)),
    r.REGION_BEGIN: (G_FIELD, TASK),
    r.REGION_END: (G_FIELD, TASK),
    r.TASK_BEGIN: (G_FIELD, TASK, ("parent", SEQ, U32)),
    r.TASK_END: (G_FIELD, TASK),
    r.IPI_RECEIVED: (),
    r.TIMER_IRQ: (),
    r.PREEMPT_WANTED: (("why", AUX, U8),),
}

METADATA = """/* CTF 1.8 */
typealias integer {{ size = 8; align = 8; signed = false; }} := u8;
typealias integer {{ size = 16; align = 8; signed = false; }} := u16;
typealias integer {{ size = 32; align = 8; signed = false; }} := u32;
typealias integer {{ size = 64; align = 8; signed = false; }} := u64;
trace {{
    major = 1; minor = 8; byte_order = le; uuid = "{uuid}";
    packet.header := struct {{ u32 magic; u8 uuid[16]; u32 stream_id; }};
}};
env {{ tracer_name = "pinion"; domain = "bare metal"; }};
clock {{ name = ticks; freq = {clock}; offset = 0; description = "one clock for all harts"; }};
typealias integer {{ size = 64; align = 8; signed = false; map = clock.ticks.value; }} := tick;
stream {{
    id = 0;
    packet.context := struct {{
        tick timestamp_begin; tick timestamp_end; u64 content_size; u64 packet_size;
        u64 events_discarded; u32 hart;
    }};
    event.header := struct {{ u8 id; tick timestamp; }};
}};
"""


class Ctf(Watcher):
    """Collects each hart's events and writes the folder at the end."""

    def __init__(self, folder):
        self.folder = folder
        self.streams = {}  # hart: [bytes, first time, last time]
        self.packers = {}
        for kind, fields in FIELDS.items():
            packing = struct.Struct("<BQ" + "".join(FORMAT[how] for _, _, how in fields))
            places = tuple(place for _, place, _ in fields)
            self.packers[kind] = (packing.pack, places, kind in r.TEXT_LENGTH)

    def event(self, at, ring, record, text, time):
        packer = self.packers.get(record[3])
        if packer is None:
            return
        stream = self.streams.get(ring.hart)
        if stream is None:
            stream = self.streams[ring.hart] = [bytearray(), time, time]
        pack, places, has_text = packer
        stream[2] = time
        stream[0] += pack(record[3], time, *[record[place] for place in places])
        if has_text:
            stream[0] += r.text_of(text or b"").encode() + b"\0"

    def finish(self, at):
        os.makedirs(self.folder, exist_ok=True)
        trace = self.world_now.trace
        name = uuid.UUID(bytes=struct.pack("<QII", trace.begin, trace.base & 0xffffffff,
                                           zlib.crc32(b"".join(ring.data for ring in trace.rings))))
        with open(os.path.join(self.folder, "metadata"), "w", encoding="utf-8") as file:
            file.write(METADATA.format(uuid=name, clock=trace.clock))
            for kind, fields in FIELDS.items():
                words = "".join(f"{how} {field}; " for field, _, how in fields)
                text = "string text; " if kind in r.TEXT_LENGTH else ""
                file.write(f'event {{ name = "{r.NAMES[kind].lower()}"; id = {kind}; '
                           f"stream_id = 0; fields := struct {{ {words}{text}}}; }};\n")
        for hart, (data, first, last) in self.streams.items():
            size = (HEADER.size + len(data)) * 8
            lost = sum(ring.lost for ring in trace.rings if ring.hart == hart)
            with open(os.path.join(self.folder, f"hart_{hart}"), "wb") as file:
                file.write(HEADER.pack(MAGIC, name.bytes, 0, first, last, size, size, lost, hart))
                file.write(data)
