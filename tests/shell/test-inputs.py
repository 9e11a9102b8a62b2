#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the inputs of parallel-glib come from, and what becomes of them."""

import os
import resource
import subprocess
import time

from command_support import (COMMAND, LIMIT, Fifo, Skip, contains, equal, finish, has_sanitizer,
                             lacks, main, output, read_file, run, sh, start, test, wait_until,
                             write_file)

MAX_INPUT = 128 * 1024 - 1

# Prints its arguments, each in brackets.
SHOW = ("sh", "-c", 'printf "[%s]" "$@"; echo', "show")


@test
def after_colons():
    """The inputs after ::: are run in their order, each as the last argument"""
    equal(output("-j4", *SHOW, "x", ":::", "c", "a b", "", "b"),
          b"[x][c]\n[x][a b]\n[x][]\n[x][b]\n")


@test
def placeholder():
    """{} is replaced wherever it stands, also within a word, and then nothing is appended"""
    equal(output(*SHOW, "{}", "-{}.{}", "y", ":::", "a", "{}"), b"[a][-a.a][y]\n[{}][-{}.{}][y]\n")


@test
def placeholder_as_program():
    """{} may be the program"""
    equal(output("{}", "x", ":::", "echo", "printf"), b"x\nx")


@test
def from_stdin():
    """Each line of the standard input is an input as it stands, the last without a newline too"""
    equal(output(*SHOW, stdin=b"a\n\n  b 'c \\\n:::\n{}\nlast"),
          b"[a]\n[]\n[  b 'c \\]\n[:::]\n[{}]\n[last]\n")


@test
def from_file():
    """-a reads a file, and leaves the standard input alone; '-' is the standard input"""
    write_file("list", b"a\nb\n")
    for option in (("-a", "list"), ("-alist",), ("--arg-file", "list"), ("--arg-file=list",)):
        equal(output(*option, "echo", stdin=b"x\n"), b"a\nb\n")
    equal(output("-a", "-", "echo", stdin=b"x\n"), b"x\n")


@test
def null_separated():
    """With -0 an input may have newlines"""
    names = [b"a\nb", b"\n", b"", b" c "]
    for option in ("-0", "--null"):
        equal(output(option, *SHOW, stdin=b"\0".join(names) + b"\0"),
              b"".join(b"[" + name + b"]\n" for name in names))


@test
def any_bytes():
    """An input reaches the program byte for byte, UTF-8 or not"""
    data = bytes(range(1, 256)) + b"\xff\xfe\xc3" + "é…😀".encode()
    equal(output("-0", "printf", "%s", stdin=data + b"\0"), data)
    equal(output("printf", "<%s>", "{}", ":::", data), b"<" + data + b">")


@test
def many_bytes():
    """Inputs of all lengths around the size of a buffer arrive whole and in order"""
    lengths = [1, 4095, 4096, 4097, 65535, 65536, 65537, MAX_INPUT - 1, MAX_INPUT, 2, MAX_INPUT]
    lines = [bytes([97 + i]) * length for i, length in enumerate(lengths)]
    data = b"\n".join(lines)
    for stdin in (data, data + b"\n"):
        equal(output("-j8", "printf", "%s\n", stdin=stdin), data + b"\n")


@test
def in_pieces():
    """An input that arrives in pieces is whole, and is run as soon as it is there"""
    process = start(*sh('echo "$1"; echo "$1" >>ran'), stdin=subprocess.PIPE)
    for piece in (b"a", b"b\nc", b"d", b"\n"):
        process.stdin.write(piece)
        process.stdin.flush()
    # The standard input is still open.
    wait_until(lambda: os.path.exists("ran") and sorted(read_file("ran").split()) == [b"ab", b"cd"],
               "both steps")
    equal(finish(process), (b"ab\ncd\n", b""))


@test
def too_long():
    """An input longer than the system takes is an error; those before it are run"""
    result = run("echo", stdin=b"a\nb\n" + b"x" * (MAX_INPUT + 1) + b"\nc\n", status=2)
    equal(result.stdout, b"a\nb\n")
    contains(result.stderr, b"standard input: line 3 is longer than the 131071 bytes")
    result = run("-0", "echo", stdin=b"a\0" + b"x" * (MAX_INPUT + 1), status=2)
    contains(result.stderr, b"standard input: input 2 is longer")


@test
def endless_line():
    """A line without an end is refused as soon as it is too long"""
    with subprocess.Popen(["tr", r"\0", "x"], stdin=open("/dev/zero", "rb"),
                          stdout=subprocess.PIPE) as endless:
        process = start("touch", stdin=endless.stdout)
        endless.stdout.close()
        _, err = finish(process, 2)
        contains(err, b"line 1 is longer")
    equal(os.listdir("."), [])


@test
def nul_in_line():
    """A NUL byte in a line is an error that tells the line and the remedy"""
    result = run("echo", stdin=b"a\nb\0c\n", status=2)
    equal(result.stdout, b"a\n")
    contains(result.stderr, b"line 2 has a NUL byte")
    contains(result.stderr, b"--null")


@test
def nothing_to_read():
    """Without any input the command is run once, as by xargs, unless it says otherwise"""
    write_file("empty", b"")
    equal(output("echo", "none"), b"none\n")
    equal(output("-a", "empty", "echo", "none"), b"none\n")
    for option in ("-r", "--no-run-if-empty"):
        equal(output(option, "echo", "none"), b"")
        equal(output(option, "echo", stdin=b"a\n"), b"a\n")
    equal(output("echo", "{}"), b"")
    equal(output("echo", "none", ":::"), b"")
    equal(output("--steps"), b"")


@test
def unreadable():
    """A file that cannot be read is an error, and nothing is run"""
    os.mkdir("folder")
    for name, reason in (("missing", b"No such file"), ("folder", b"directory")):
        for option in (("-a", name, "touch", "ran"), (f"--steps={name}",)):
            result = run(*option, status=2)
            contains(result.stderr, name.encode() + b": ")
            contains(result.stderr, reason)
    equal(os.listdir("."), ["folder"])


@test
def no_permission():
    """A file without read permission is an error, and nothing is run"""
    if os.getuid() == 0:
        raise Skip("root may read everything")
    write_file("secret", b"x\n")
    os.chmod("secret", 0)
    contains(run("-a", "secret", "touch", status=2).stderr, b"secret: Permission denied")


@test
def closed_stdin():
    """A closed standard input is an error if it is needed, and only then"""
    result = subprocess.run(["sh", "-c", '"$0" echo <&-', COMMAND],
                            capture_output=True, timeout=LIMIT, check=False)
    equal(result.returncode, 2, "exit status")
    equal(result.stdout, b"", "stdout")
    contains(result.stderr, b"standard input: ")
    result = subprocess.run(["sh", "-c", '"$0" echo ::: a <&-', COMMAND],
                            capture_output=True, timeout=LIMIT, check=False)
    equal((result.returncode, result.stdout, result.stderr), (0, b"a\n", b""))


@test
def stdin_of_steps():
    """The steps read /dev/null, whatever the standard input is"""
    equal(output(*sh('readlink /proc/self/fd/0; cat; echo "$1"'), stdin=b"a\nb\n"),
          b"/dev/null\na\n/dev/null\nb\n")


@test
def steps_from_stdin():
    """With --steps each line is a shell command; empty lines and comments are passed over"""
    script = b'echo "a  b"\n\n# echo no\n   \n  # echo no\necho {} $((1 + 2)) | cat\n printf c'
    equal(output("--steps", stdin=script), b"a  b\n{} 3\nc")


@test
def steps_from_file():
    """--steps=FILE reads the commands from a file, -a too"""
    write_file("list", b"echo a\necho b\n")
    equal(output("--steps=list", stdin=b"echo no\n"), b"a\nb\n")
    equal(output("--steps", "-a", "list"), b"a\nb\n")
    equal(output("--steps=-", stdin=b"echo x\n"), b"x\n")


@test
def steps_of_all_kinds():
    """Commands may follow :::, have several lines with -0, and begin with a dash or a #"""
    equal(output("--steps", ":::", "echo a", "", "echo b; echo c"), b"a\nb\nc\n")
    equal(output("-0", "--steps", stdin=b"echo a\necho b\0# a comment\necho c\0"), b"a\nb\nc\n")
    result = run("--steps", stdin=b"-x\n", status=1)
    contains(result.stderr, b"not found")


@test
def steps_that_fail():
    """A failed command of --steps is named by its line"""
    result = run("--steps", stdin=b"echo fine\nls /nowhere; exit 3\n", status=1)
    equal(result.stdout, b"fine\n")
    contains(result.stderr, b"1 of 2 steps failed:\n  ls /nowhere; exit 3: ")
    contains(result.stderr, b"status 3")


@test
def options_of_the_command():
    """What follows the command is its own, also what looks like an option; -- ends the options"""
    equal(output("printf", "%s,", "-j", "--steps", "--help", ":::", "-0", "--"),
          b"-j,--steps,--help,-0,-j,--steps,--help,--,")
    equal(output("-j1", "--", "echo", "-n", ":::", "a"), b"a")
    equal(output("--steps", "--", ":::", "echo a"), b"a\n")


def peak_memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


@test
def endless_stdin():
    """An endless standard input is run in bounded memory"""
    ended = Fifo("ended")
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        process = start("-j4", "sh", "-c", "echo x >ended; exit 1", stdin=endless.stdout)
        endless.stdout.close()
        for _ in range(500):
            ended.hear()
        early = peak_memory(process.pid)
        for _ in range(1500):
            ended.hear()
        late = peak_memory(process.pid)
        process.terminate()
        _, err = finish(process, 128 + 15)
    contains(err, b"steps failed")
    if has_sanitizer():
        raise Skip("a sanitizer's own memory grows")
    # What 1000 failures need, and no more.
    assert late < 64 << 20, f"{late} bytes"
    assert late - early < 8 << 20, f"from {early} to {late} bytes"


@test
def large_list():
    """Thousands of inputs from a file are all run once, in order"""
    lines = b"".join(b"%d\n" % i for i in range(3000 if not has_sanitizer() else 500))
    write_file("list", lines)
    started = time.monotonic()
    equal(output("-j4", "-a", "list", "echo"), lines)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"# {time.monotonic() - started:.1f} s, {usage.ru_maxrss} KiB")


@test
def no_hint():
    """Where the standard input is no terminal nothing is said about it"""
    lacks(run("echo", stdin=b"a\n").stderr, b"terminal")


main()
