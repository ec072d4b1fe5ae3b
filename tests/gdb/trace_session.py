"""What GDB runs for tests/gdb_test.py with tests/target/traced.c: saves its trace when it is about to end it,
and in the middle; tests/gdb_test.py looks at what was saved. In FOLDER, GDB's convenience variable."""
import sys
import traceback

import gdb

FOLDER = gdb.convenience_variable("folder").string()


def refused(command, words):
    try:
        gdb.execute(command, to_string=True)
    except gdb.error as error:
        if words in str(error):
            return
        raise
    raise AssertionError(f"{command} was not refused")


def session():
    refused("save trace", "into which file")
    refused(f"save trace {FOLDER}/early", "not up")
    gdb.execute("break main")
    gdb.execute("continue")
    gdb.execute("break quarrel")
    gdb.execute("continue")
    gdb.execute(f"save trace {FOLDER}/middle")
    refused(f"save trace {FOLDER}/no/such/folder", "No such file")
    gdb.execute("delete")
    gdb.execute("break runtime_trace_stop")
    gdb.execute("continue")
    gdb.execute(f"save trace {FOLDER}/end")
    gdb.execute("delete")


try:
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    session()
    try:
        gdb.execute("continue")
    except gdb.error as error:  # QEMU's end is the connection's, in one way or another
        print(error)
except BaseException:
    traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    gdb.execute("quit 1")
gdb.execute("quit 0")
