"""Every Python tool of the tree compiles."""
import pathlib
import sys

wrong = 0
tree = pathlib.Path(__file__).resolve().parent.parent
for folder in ("tools", "tests"):
    for path in sorted((tree / folder).rglob("*")):
        if not path.is_file() or path.suffix not in ("", ".py"):
            continue
        text = path.read_bytes()
        if path.suffix == ".py" or text.startswith(b"#!/usr/bin/env python3"):
            try:
                compile(text, str(path.relative_to(tree)), "exec")
            except SyntaxError as error:
                print(f"{error.filename}:{error.lineno}: {error.msg}")
                wrong = 1
sys.exit(wrong)
