#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The options of parallel-glib, its exit status, and what it reports."""

import os
import re
import subprocess
import sys
import time

from command_support import (COMMAND, LIMIT, Fifo, contains, equal, finish, lacks, main, output,
                             read_file, read_until, run, sh, start, test, write_file)


@test
def version():
    """--version and --help answer on the standard output"""
    assert re.fullmatch(rb"parallel-glib \d+\.\d+\.\d+\n", output("--version"))
    text = output("--help").decode()
    for option in ("-j, --max-parallel=N", "--halt-on-error", "--timeout=", "--silence-timeout=",
                   "--exit-timeout=", "--kill-grace=", "--term-seq=", "--containment=",
                   "--backtraces", "--max-attempts=N", "--output=MODE", "--hold", "--progress",
                   "-0, --null", "-a, --arg-file=FILE", "--no-run-if-empty", "--steps[=FILE]",
                   "--launcher=PREFIX", "--slurm[=OPTIONS]", "--ssh=[OPTIONS ]HOST",
                   "--immediate[=SECONDS]", "--version", "--help"):
        contains(text, option)
    assert max(map(len, text.splitlines())) <= 90


@test
def wrong_usage():
    """Wrong usage is an error that says what is wrong; nothing is run"""
    for args, reason in (
            ((), "COMMAND"),
            ((":::", "a"), "COMMAND"),
            (("-j4",), "COMMAND"),
            (("--nonsense", "touch"), "nonsense"),
            (("-x", "touch"), "x"),
            (("-j",), "j"),
            (("-j", "-1", "touch"), "'-1'"),
            (("-j", "x", "touch"), "'x'"),
            (("-j", "", "touch"), "''"),
            (("-j4x", "touch"), "'4x'"),
            (("-j", "1.5", "touch"), "'1.5'"),
            (("-j", "99999999999999999999", "touch"), "'99999999999999999999'"),
            (("-j", "100001", "touch"), "'100001'"),
            (("--timeout=x", "touch"), "--timeout: 'x'"),
            (("--timeout=-1", "touch"), "'-1'"),
            (("--timeout=nan", "touch"), "'nan'"),
            (("--timeout=inf", "touch"), "'inf'"),
            (("--timeout=1e300", "touch"), "'1e300'"),
            (("--timeout=", "touch"), "''"),
            (("--timeout=3s", "touch"), "'3s'"),
            (("--silence-timeout=x", "touch"), "--silence-timeout: 'x'"),
            (("--kill-grace=x", "touch"), "--kill-grace: 'x'"),
            (("--exit-timeout=x", "touch"), "--exit-timeout: 'x'"),
            (("--term-seq=", "touch"), "--term-seq: "),
            (("--term-seq=TERM,x,KILL", "touch"), "“x” is not a delay"),
            (("--term-seq=NONE,100", "touch"), "“NONE” is not the name or number of a signal"),
            (("--termseq=65", "touch"), "--term-seq: "),
            (("--containment=x", "touch"), "--containment: 'x'"),
            (("--backtraces=1", "touch"), "backtraces"),
            (("--max-attempts=0", "touch"), "'0'"),
            (("--max-attempts=x", "touch"), "'x'"),
            (("--output=x", "touch"), "'x'"),
            (("--output", "touch"), "'touch'"),
            (("--hold=1", "touch"), "hold"),
            (("--launcher='", "touch"), "--launcher"),
            (("--launcher=", "touch"), "--launcher"),
            (("--launcher=ssh {}", "touch"), "{}"),
            (("--slurm='", "touch"), "--slurm"),
            (("--ssh=", "touch"), "--ssh"),
            (("--ssh",), "ssh"),
            (("--slurm", "--ssh=host", "touch"), "either"),
            (("--immediate", "touch"), "--slurm"),
            (("--slurm", "--immediate=x", "touch"), "--immediate: 'x'"),
            (("--steps", "touch"), "'touch'"),
            (("--steps", "list", ":::", "touch x"), "--steps=FILE"),
            (("--steps=a", "-a", "b"), "one file"),
            (("-a", "list", "touch", ":::", "x"), "':::'"),
            (("touch", ":::", "x", ":::", "y"), "only once")):
        result = run(*args, stdin=b"x\n", status=2)
        equal(result.stdout, b"", f"stdout of {args}")
        contains(result.stderr.decode(), reason)
        assert result.stderr.startswith(b"parallel-glib: "), result.stderr
        contains(result.stderr, b"Try 'parallel-glib --help'")
    equal(os.listdir("."), [])


@test
def exit_status():
    """The exit status is 0 if all steps succeeded, and 1 if any failed, however it did"""
    run("true", ":::", "a", "b", status=0)
    for script in ("exit 1", "exit 2", "exit 255", "kill -SEGV $$"):
        run(*sh(script), ":::", "a", status=1)
    run(*sh('exit "$1"'), ":::", "0", "3", "0", status=1)
    run("./missing", ":::", "a", status=1)
    write_file("data", b"data")
    run("./data", ":::", "a", status=1)


@test
def report():
    """The failures are listed in queue order, with name, reason, duration and last lines"""
    names = {"a": "exit 7", "b": "true", "c": "kill -TERM $$",
             "d": "echo out; echo 1 >&2; echo 2 >&2; exit 1", "e": "printf 'last words'; exit 3"}
    for name, script in names.items():
        write_file(name, script.encode())
    result = run("-j1", "sh", ":::", *names, status=1)
    equal(result.stdout, b"out\nlast words")
    lines = result.stderr.decode().splitlines()
    equal(lines[:3], ["1", "2", "parallel-glib: 4 of 5 steps failed:"])
    for line, pattern in zip(lines[3:], (
            r"  a: .*status 7 \(\d+\.\d\d s\)",
            r"  c: .*signal 15.* \(\d+\.\d\d s\)",
            r"  d: .*status 1 \(\d+\.\d\d s\)",
            r"      1",
            r"      2",
            r"  e: .*status 3 \(\d+\.\d\d s\)",
            r"      last words")):
        assert re.fullmatch(pattern, line), (pattern, lines)
    equal(len(lines), 10, "number of lines")


@test
def report_order():
    """The list is in queue order also when the steps fail in another order"""
    gate = Fifo("gate")
    ended = Fifo("ended")
    process = start("-j3", *sh('if [ "$1" = c ]; then echo >ended; else read x <gate; fi; exit 1'),
                    ":::", "a", "b", "c")
    ended.hear()
    gate.say(2)
    _, err = finish(process, 1)
    equal(re.findall(rb"^  (\w): ", err, re.M), [b"a", b"b", b"c"])


@test
def report_is_printable():
    """Names and output in the list keep their place and do nothing to a terminal"""
    script = r"printf '\033[31mred\033[0m\n10%%\r20%%\r\nbell\007\n\tend' >&2; exit 1"
    result = run("-0", *sh(script), stdin=b"a\nb\x1b[2J\xff\0", status=1)
    listed = result.stderr[result.stderr.index(b"parallel-glib: 1 of 1 step failed:\n"):]
    contains(listed, b"\n  a\\nb\\x1b[2J")
    contains(listed, b"\n      red\n      20%\n      bell\\x07\n      \tend\n")
    equal(result.stderr.count(b"\x1b"), 2, "escapes")


@test
def report_is_bounded():
    """Of very many failures the first 1000 are listed and the others counted"""
    result = run("-j4", "false", stdin=b"".join(b"%d\n" % i for i in range(1007)), status=1)
    contains(result.stderr, b"parallel-glib: 1007 of 1007 steps failed:\n")
    equal(len(re.findall(rb"^  \d+: ", result.stderr, re.M)), 1000)
    assert result.stderr.endswith(b"\n  ... and 7 more\n"), result.stderr[-200:]
    result = run("false", ":::", "x" * 5000, status=1)
    assert len(result.stderr) < 600, result.stderr


@test
def not_started():
    """What cannot be started is a failure with its own reason; the others run"""
    write_file("data", b"data")
    result = run("{}", ":::", "./missing", "./data", "true", "/", status=1)
    contains(result.stderr, b"3 of 4 steps failed")
    for pattern in (rb"  \./missing: .*([Nn]o such file|not found|not exist)",
                    rb"  \./data: .*([Pp]ermission|executable)",
                    rb"  /: "):
        assert re.search(pattern, result.stderr), (pattern, result.stderr)


@test
def max_parallel():
    """-j bounds the number of steps that run at once, in each of its forms"""
    for option in (("-j2",), ("-j", "2"), ("--max-parallel=2",), ("--max-parallel", "2")):
        name = f"{len(option)}{option[0]}"
        started, gate = Fifo(f"started{name}"), Fifo(f"gate{name}")
        script = f'echo "$1" >started{name}; read x <gate{name}'
        process = start(*option, *sh(script), ":::", *"abcd")
        equal(sorted([started.hear(), started.hear()]), [b"a", b"b"])
        equal(started.hear(limit=0.1), None, "a third step")
        gate.say()
        equal(started.hear(), b"c")
        equal(started.hear(limit=0.1), None, "a third step")
        gate.say(3)
        finish(process)


@test
def default_max_parallel():
    """-j0 and no -j run as many steps as there are processors"""
    n = len(os.sched_getaffinity(0))
    for number, option in enumerate(((), ("-j0",))):
        started, gate = Fifo(f"started{number}"), Fifo(f"gate{number}")
        process = start(*option, *sh(f"echo >started{number}; read x <gate{number}"), ":::",
                        *map(str, range(n + 2)))
        # A quota of the control group may allow less.
        started.hear()
        heard = 1
        while heard < n + 2 and started.hear(limit=0.2) is not None:
            heard += 1
        gate.say(n + 2)
        finish(process)
        assert heard <= n, f"{heard} steps at once on {n} processors"


@test
def many_at_once():
    """So many steps at once that the soft limit of open files would not do"""
    started, gate = Fifo("started"), Fifo("gate")
    n = 100
    process = subprocess.Popen(["sh", "-c", 'ulimit -S -n 64; exec "$0" "$@"', COMMAND, f"-j{n}",
                                *sh("echo >started; read x <gate")],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdin.write(b"x\n" * n)
    process.stdin.flush()
    for _ in range(n):
        started.hear()
    gate.say(n)
    equal(finish(process), (b"", b""))
    result = subprocess.run(["sh", "-c", 'ulimit -n 64; exec "$0" -j100 touch ::: ran', COMMAND],
                            capture_output=True, timeout=LIMIT, check=False)
    equal(result.returncode, 2, "exit status")
    contains(result.stderr, b"the limit is 64")
    assert not os.path.exists("ran")


@test
def failures_do_not_stop():
    """Without --halt-on-error all steps run"""
    result = run("-j1", *sh('echo "$1"; exit "$1"'), ":::", "1", "0", "2", "0", status=1)
    equal(result.stdout, b"1\n0\n2\n0\n")
    contains(result.stderr, b"2 of 4 steps failed")


@test
def halt_on_error():
    """--halt-on-error stops what runs and starts nothing more"""
    started = Fifo("started")
    begun = time.monotonic()
    process = start("-j2", "--halt-on-error",
                    *sh("""case $1 in
                               a) echo $$ >started; exec sleep 1000;;
                               b) read x <gate; exit 5;;
                               *) touch ran;;
                           esac"""),
                    ":::", *"abcdef")
    os.mkfifo("gate")
    pid = int(started.hear())
    with open("gate", "wb") as gate:
        gate.write(b"go\n")
    _, err = finish(process, 1)
    assert time.monotonic() - begun < 30
    assert not os.path.exists("ran")
    assert not os.path.exists(f"/proc/{pid}") or not read_file(f"/proc/{pid}/cmdline")
    contains(err, b"parallel-glib: 1 of 6 steps failed:\n  b: ")
    contains(err, b"status 5")
    contains(err, b"parallel-glib: Of 6 steps, 5 did not run to their end\n")


@test
def halt_on_error_endless():
    """--halt-on-error also ends the reading of an endless standard input"""
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        process = start("--halt-on-error", "false", stdin=endless.stdout)
        endless.stdout.close()
        contains(finish(process, 1)[1], b"steps failed:\n  y: ")
    process = start("--halt-on-error", "false", stdin=subprocess.PIPE)
    process.stdin.write(b"x\n")
    process.stdin.flush()
    process.wait(LIMIT)   # although more could come
    contains(finish(process, 1)[1], b"1 of 1 step failed:\n  x: ")


@test
def timeout():
    """--timeout stops a step that takes too long, and only that"""
    result = run("--timeout=0.2", *sh('echo "$1"; [ "$1" = b ] || exec sleep 1000'),
                 ":::", "a", "b", status=1)
    equal(result.stdout, b"a\nb\n")
    assert re.search(rb"1 of 2 steps failed:\n  a: .*0\.2.*\(\d\.\d\d s\)\n      a\n",
                     result.stderr), result.stderr


@test
def silence_timeout():
    """--silence-timeout stops a step that writes nothing, and not one that goes on writing"""
    result = run("-j2", "--silence-timeout=0.5",
                 *sh("""[ "$1" = a ] || exec sleep 1000
                        for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done"""),
                 ":::", "a", "b", status=1)
    equal(result.stdout, b"1\n2\n3\n4\n5\n6\n7\n8\n")
    contains(result.stderr, b"1 of 2 steps failed:\n  b: ")


@test
def kill_grace():
    """--kill-grace says how long a step may ignore SIGTERM"""
    begun = time.monotonic()
    result = run("--timeout=0.1", "--kill-grace=0.2",
                 *sh("trap '' TERM; while :; do sleep 0.05; done"), ":::", "a", status=1)
    assert 0.3 <= time.monotonic() - begun < 4, time.monotonic() - begun
    contains(result.stderr, b"1 of 1 step failed:\n  a: ")
    result = run("--timeout=0.1", "--kill-grace=60",
                 *sh("trap 'echo bye; exit' TERM; sleep 1000 & wait"), ":::", "a", status=1)
    equal(result.stdout, b"bye\n")


@test
def max_attempts():
    """--max-attempts repeats a step that fails, and prints its last attempt only"""
    script = 'echo "$1" >>tries; n=$(grep -c "$1" tries); echo "$1 $n"; [ "$n" -ge "$1" ]'
    equal(output("-j1", "--max-attempts=3", *sh(script), ":::", "1", "2", "3"),
          b"1 1\n2 2\n3 3\n")
    os.unlink("tries")
    result = run("--max-attempts=2", *sh(script), ":::", "5", status=1)
    equal(result.stdout, b"5 2\n")
    equal(read_file("tries"), b"5\n5\n")
    assert re.search(rb"  5: .* \(attempt 2, \d+\.\d\d s\)\n      5 2\n",
                     result.stderr), result.stderr


@test
def ordered():
    """The output comes in the order of the inputs, the first step's while it runs"""
    for option in ((), ("--output=ordered",)):
        gate = Fifo(f"gate{len(option)}")
        script = f'echo "$1 1"; [ "$1" != a ] || read x <{gate.path}; echo "$1 2"'
        process = start("-j3", *option, *sh(script), ":::", *"abc")
        # It is there before the step ends.
        early = read_until(process.stdout.fileno(), b"a 1\n")
        gate.say()
        out, err = finish(process)
        equal(early + out, b"a 1\na 2\nb 1\nb 2\nc 1\nc 2\n")
        equal(err, b"")


@test
def finished():
    """--output=finished prints each step as a whole when it ends"""
    gate = Fifo("gate")
    process = start("-j2", "--output=finished",
                    *sh('echo "$1 1"; [ "$1" != a ] || read x <gate; echo "$1 2"'), ":::", *"ab")
    equal(read_until(process.stdout.fileno(), b"b 2\n"), b"b 1\nb 2\n")
    gate.say()
    equal(finish(process), (b"a 1\na 2\n", b""))


@test
def tagged():
    """--output=tagged prints each line at once, with the input before it"""
    gate = Fifo("gate")
    script = 'echo 1; [ "$1" != a ] || read x <gate; printf 2; echo 3 >&2'
    process = start("-j2", "--output=tagged", *sh(script), ":::", *"ab")
    early = read_until(process.stdout.fileno(), b"b\t2\n")
    gate.say()
    out, err = finish(process)
    equal(sorted((early + out).splitlines()), [b"a\t1", b"a\t2", b"b\t1", b"b\t2"])
    equal(sorted(err.splitlines()), [b"a\t3", b"b\t3"])


@test
def none():
    """--output=none prints nothing; the list of failures still has the last lines"""
    result = run("--output=none", *sh("echo out; echo err >&2; exit 1"), ":::", "a", status=1)
    equal(result.stdout, b"")
    assert re.fullmatch(rb"parallel-glib: 1 of 1 step failed:\n  a: .*\n      err\n",
                        result.stderr), result.stderr


@test
def hold():
    """--hold prints nothing before all inputs are read"""
    done = Fifo("done")
    process = start("--hold", *sh('echo "$1"; echo >done'), stdin=subprocess.PIPE)
    process.stdin.write(b"a\nb\n")
    process.stdin.flush()
    done.hear()
    done.hear()
    os.set_blocking(process.stdout.fileno(), False)
    equal(process.stdout.read(), None, "output")
    os.set_blocking(process.stdout.fileno(), True)
    equal(finish(process), (b"a\nb\n", b""))


@test
def launcher():
    """--launcher puts its words, split as by a shell, before the command"""
    equal(output("--launcher=env 'A=x y' B=z", *sh('echo "$A,$B,$1"'), ":::", "a", "b"),
          b"x y,z,a\nx y,z,b\n")
    equal(output("--launcher", "env A=1", "--steps", stdin=b"echo $A {}\n"), b"1 {}\n")
    result = run("--launcher=./missing", "true", ":::", "a", status=1)
    contains(result.stderr, b"missing")


@test
def no_slurm():
    """Where Slurm is not installed, --slurm says which program is missing"""
    os.mkdir("empty")
    environ = dict(os.environ, PATH=os.path.abspath("empty"))
    environ.pop("SLURM_JOB_ID", None)
    result = run("--slurm", "/bin/true", ":::", "a", status=1, env=environ)
    contains(result.stderr, b"no program \xe2\x80\x9csrun\xe2\x80\x9d")


@test
def streams():
    """The steps' standard output and standard error stay apart, each byte for byte"""
    data = bytes(range(256)) * 1000 + "é".encode() * 2000
    write_file("data", data)
    result = run("-j2", *sh('cat data; cat data >&2'), ":::", "a", "b")
    assert result.stdout == data * 2
    assert result.stderr == data * 2


@test
def ignored_sigchld():
    """It works where the caller has SIGCHLD ignored, and the steps have the default signals"""
    code = ("import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
            "signal.signal(signal.SIGPIPE, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])")
    script = 'grep SigIgn /proc/self/status; exit "$1"'
    result = subprocess.run([sys.executable, "-c", code, COMMAND, *sh(script), ":::", "0", "3"],
                            capture_output=True, timeout=LIMIT, check=False)
    equal(result.returncode, 1, "exit status")
    contains(result.stderr, b"1 of 2 steps failed:\n  3: ")
    equal([int(line.split()[1], 16) for line in result.stdout.splitlines()], [0, 0],
          "ignored signals")


@test
def no_reader():
    """When nobody reads its output it stops the steps and ends quietly, as after SIGPIPE"""
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless:
        process = start("-j2", "echo", stdin=endless.stdout)
        endless.stdout.close()
        equal(read_until(process.stdout.fileno(), b"y\n")[:2], b"y\n")
        process.stdout.close()
        equal(process.stderr.read(), b"")
        equal(process.wait(LIMIT), 128 + 13, "exit status")


@test
def full_device():
    """Output that cannot be written is an error that says why"""
    with open("/dev/full", "wb") as full:
        result = subprocess.run([COMMAND, "echo", ":::", "a", "b"], stdout=full,
                                stderr=subprocess.PIPE, timeout=LIMIT, check=False)
    equal(result.returncode, 1, "exit status")
    contains(result.stderr, b"No space left on device")
    with open("/dev/full", "wb") as full:
        result = subprocess.run([COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE,
                                timeout=LIMIT, check=False)
    equal(result.returncode, 1, "exit status")
    contains(result.stderr, b"No space left on device")


@test
def nothing_left():
    """A daemon that a step leaves with its output does not keep the run waiting"""
    begun = time.monotonic()
    result = run(*sh("sleep 100 & echo $! >pid; echo done"), ":::", "a")
    equal(result.stdout, b"done\n")
    lacks(result.stderr, b"failed")
    assert time.monotonic() - begun < 50
    subprocess.run(["kill", read_file("pid").strip()], check=False)


main()
