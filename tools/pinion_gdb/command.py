"""What the commands have in common."""
import gdb


class Command(gdb.Command):
    """Of this script: help is the class's text."""
    KIND = gdb.COMMAND_STATUS

    def __init__(self, name, *more):
        super().__init__(name, self.KIND, *more)
        self.name = name

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        try:
            self.run(argument.strip())
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{self.name}: {error}: what leads there is damaged, or this is "
                               "not the ELF that runs.") from None
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None

    def run(self, argument):
        raise NotImplementedError

    def no_words(self, argument):
        if argument:
            raise gdb.GdbError(f"{self.name} takes no words.")
