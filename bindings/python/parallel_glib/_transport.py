"""What goes through the frames: setups, inputs and results as bytes.

The first byte of an input or a result tells what the rest is:

    input   C  pickled (function, args, kwargs)
            T  pickled tuple, the input of the setup's task: task(*args, *input, **kwargs)
            I  u32: the number of a function that the worker has inherited by fork
            M  several inputs of the setup's task, of plain data: a pickled list with a list for
               each argument
            L  several inputs of the setup's task: a pickled list of bytes, each a pickled tuple
    result  P  pickled
            B  the bytes of a bytes object, as they are
            N  None
            M  of several inputs: see dumps_batch_result()

A setup is the pickled plain data of _plain_setup(), which the worker needs before it can unpickle
the callables in it.
"""

from __future__ import annotations

import sys

try:  # See _exceptions.
    from _pickle import Pickler, PicklingError as _PicklingError, dumps, loads
except ImportError:  # pragma: no cover
    from pickle import Pickler, PicklingError as _PicklingError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Union

    Buffer = Union[bytes, bytearray, memoryview]

PROTOCOL = 5

CALL, INPUT, INHERITED = b'C'[0], b'T'[0], b'I'[0]
COLUMNS, EACH = b'M'[0], b'L'[0]
BYTES_TAG = b'B'
BATCH_TAG = b'M'
PICKLED, BYTES, NONE = b'P'[0], b'B'[0], b'N'[0]

MAX_BATCH_BYTES = 1 << 20

# What cannot be changed, so that it makes no difference whether it is pickled alone.
PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None)})
_FUNCTION = type(lambda: None)


_found: list[Any] = []

# Functions that cloudpickle, too, pickles by their name alone.
_by_name: dict[int, Any] = {}
MAX_BY_NAME = 256

# The functions that this worker has unpickled last, by their bytes.
_thawed: dict[bytes, Any] = {}
MAX_THAWED = 8


class PicklingError(_PicklingError):
    """Something cannot be sent to a worker; the text says what and why."""


# The caller's side


def dumps_setup(
    *,
    task: Callable[..., Any] | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    initializer: Callable[..., Any] | None = None,
    initargs: Sequence[Any] = (),
    onexit: Callable[[], Any] | None = None,
    discard: bool = False,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
    front: Sequence[str] | None = None,
    inherited: int | None = None,
) -> bytes:
    """The payload of SETUP.

    front: the folders that come before those of the worker's own interpreter in its sys.path; by
    default it gets that of this process, and nothing else.
    discard: nobody wants the results, which are not pickled then.
    inherited: the number of an object among the functions that a forked worker has: the dict of
    inherited_setup(). Then nothing that is callable is pickled here.
    """
    plain = _plain_setup(environ, cwd, front)
    plain['inherited'] = inherited
    if inherited is None:
        parts = inherited_setup(
            task=task,
            args=args,
            kwargs=kwargs,
            initializer=initializer,
            initargs=initargs,
            onexit=onexit,
            discard=discard,
        )
        plain['callables'] = _dumps_named(parts, lambda: _setup_parts(parts))
    return dumps(plain, PROTOCOL)


def inherited_setup(
    *,
    task: Callable[..., Any] | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    initializer: Callable[..., Any] | None = None,
    initargs: Sequence[Any] = (),
    onexit: Callable[[], Any] | None = None,
    discard: bool = False,
) -> dict[str, Any]:
    """The callables of a setup, for the functions of a forked worker, which need no pickling."""
    return {
        'initializer': initializer,
        'initargs': tuple(initargs),
        'task': task,
        'args': tuple(args),
        'kwargs': dict(kwargs or {}),
        'onexit': onexit,
        'discard': discard,
    }


def dumps_call(
    function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> bytes:
    """The input that calls a function."""
    call = (function, tuple(args), dict(kwargs or {}))

    def parts() -> list[tuple[str, Any]]:
        name = name_of(function)
        return [('the function ' + name, function), *_argument_parts(name, call[1], call[2])]

    return b'C' + _dumps_quickly(call, parts)


def dumps_input(args: Iterable[Any], of: str = 'the task') -> bytes:
    """The input that calls the task of the setup."""
    args = tuple(args)
    return b'T' + _dumps_quickly(args, lambda: _argument_parts(of, args, {}))


class _Full(Exception):
    """More was pickled than goes into a batch."""


class _Bounded:
    """A file that takes as much as goes into a batch."""

    def __init__(self) -> None:
        self.parts = [b'M']
        self._room = MAX_BATCH_BYTES

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise _Full
        self.parts.append(bytes(data))
        return len(data)


def dumps_batch(columns: Sequence[list[Any]], bounded: bool = True) -> tuple[bytes | None, int]:
    """The input for several calls of the setup's task, and for how many: those that fit, and that
    can be pickled. If that is only one, its input is that of dumps_input(), and None here.

    columns: a list for each argument
    """
    if len(columns[0]) == 1:
        return None, 1
    if all(PLAIN.issuperset(map(type, column)) for column in columns):
        return _dumps_columns(columns, bounded)
    return _dumps_each(columns, bounded)


def _dumps_columns(columns: Sequence[list[Any]], bounded: bool) -> tuple[bytes | None, int]:
    if not bounded:
        return b'M' + dumps(list(columns), PROTOCOL), len(columns[0])
    count = len(columns[0])
    while count > 1:
        file = _Bounded()
        try:
            Pickler(file, PROTOCOL).dump([column[:count] for column in columns])
        except _Full:
            count //= 2
            continue
        return b''.join(file.parts), count
    return None, 1


def _dumps_each(columns: Sequence[list[Any]], bounded: bool) -> tuple[bytes | None, int]:
    inputs: list[bytes] = []
    size = 0
    for args in zip(*columns):
        try:
            data = _dumps_quickly(args, lambda: [])
        except PicklingError:
            break  # When it is the first of the inputs that are left, it is told what is wrong.
        size += len(data)
        if bounded and size > MAX_BATCH_BYTES:
            break
        inputs.append(data)
    if len(inputs) < 2:
        return None, 1
    return b'L' + dumps(inputs, PROTOCOL), len(inputs)


def dumps_inherited(number: int) -> bytes:
    """The input that calls an inherited function: what the number stands for is callable, or a
    tuple as of a call.
    """
    return b'I' + number.to_bytes(4, 'little')


def _dumps_quickly(args: tuple[Any, ...], parts: Callable[[], list[tuple[str, Any]]]) -> bytes:
    """As _dumps_named(), but without cloudpickle, which takes longer, where there is no need for it."""
    if _is_plain(args):
        try:
            return dumps(args, PROTOCOL)
        except Exception:  # pylint: disable=broad-except
            pass  # A function's name has become another's: cloudpickle takes the code.
    return _dumps_named(args, parts)


def _is_plain(args: tuple[Any, ...]) -> bool:
    """Whether pickle and cloudpickle do the same to the arguments of a step; of a call too if its
    function goes by its name.
    """
    for arg in args:
        kind = type(arg)
        if kind in PLAIN:
            continue
        if kind is tuple:
            if not _is_plain(arg):
                return False
        elif kind is dict:
            if not _is_plain((*arg.keys(), *arg.values())):
                return False
        elif kind is not Frozen and not _goes_by_name(arg):
            return False
    return True


def _goes_by_name(value: Any) -> bool:
    """Whether it is a function that even cloudpickle does not take with its code."""
    if type(value) is not _FUNCTION and type(getattr(value, '__self__', None)) is not type(sys):
        return False
    if _by_name.get(id(value)) is value:
        return True
    try:
        if _cloudpickle() is not None and _found[0].dumps(value, PROTOCOL) != dumps(value, PROTOCOL):
            return False
    except Exception:  # pylint: disable=broad-except
        return False  # The one that takes longer says what is wrong.
    if len(_by_name) >= MAX_BY_NAME:
        _by_name.clear()
    _by_name[id(value)] = value
    return True


class Frozen:
    """A function that is pickled once for many calls, as it is at that time."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.func = function
        self._pickled = _dumps_named(function, lambda: [])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.func(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _thaw, (self._pickled,)


def frozen(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function frozen, or as it is if it cannot travel, which each call will tell."""
    try:
        return Frozen(function)
    except PicklingError:
        return function


def _thaw(pickled: bytes) -> Any:
    function = _thawed.get(pickled)
    if function is None:
        function = loads(pickled)
        if len(_thawed) >= MAX_THAWED:
            _thawed.clear()
        _thawed[pickled] = function
    return function


def loads_result(data: Buffer) -> Any:
    """The result of a step. Raises whatever its unpickling does."""
    tag = data[0]
    if tag == PICKLED:
        return loads(memoryview(data)[1:])
    if tag == BYTES:
        return data[1:] if isinstance(data, bytes) else bytes(memoryview(data)[1:])
    if tag == NONE:
        return None
    raise ValueError(f'a result with the unknown tag {tag}')


def loads_batch_result(data: bytes) -> tuple[float, list[Any], dict[int, bytes], bytes | None, int]:
    """What dumps_batch_result() was given."""
    return loads(memoryview(data)[1:])


def name_of(function: Any) -> str:
    """A name for messages."""
    name = getattr(function, '__qualname__', None)
    return name if isinstance(name, str) else f'a {type(function).__name__}'


def _dumps_named(value: Any, parts: Callable[[], list[tuple[str, Any]]]) -> bytes:
    """Pickles; where that cannot be done, looks at the parts apart to tell which of them it is."""
    error = _pickling_error(value)
    if isinstance(error, bytes):
        return error
    for name, part in parts():
        other = _pickling_error(part)
        if not isinstance(other, bytes):
            raise PicklingError(f'{name} cannot be pickled: {_text(other)}') from other
    raise PicklingError(f'cannot be pickled: {_text(error)}') from error


def _pickling_error(value: Any) -> bytes | BaseException:
    """The pickled value, or why there is none. Not even sys.exit() in a __reduce__ gets out of
    here.
    """
    cloudpickle = _cloudpickle()
    try:
        return (cloudpickle.dumps if cloudpickle else dumps)(value, protocol=PROTOCOL)
    except (Exception, SystemExit, GeneratorExit) as error:  # pylint: disable=broad-except
        return error


def _text(error: BaseException) -> str:
    from parallel_glib._exceptions import safe_text

    return f'{type(error).__name__}: {safe_text(error)}'


def _argument_parts(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[str, Any]]:
    parts = [
        (f'argument {i} of {name} (a {type(arg).__name__})', arg) for i, arg in enumerate(args, 1)
    ]
    return parts + [
        (f'argument {key} of {name} (a {type(arg).__name__})', arg) for key, arg in kwargs.items()
    ]


def _setup_parts(setup: dict[str, Any]) -> list[tuple[str, Any]]:
    parts = [
        (f'the {key} {name_of(setup[key])}', setup[key])
        for key in ('initializer', 'task', 'onexit')
    ]
    return (
        parts
        + _argument_parts('the initializer', setup['initargs'], {})
        + _argument_parts('the task', setup['args'], setup['kwargs'])
    )


def _plain_setup(
    environ: Mapping[str, str] | None, cwd: str | None, front: Sequence[str] | None
) -> dict[str, Any]:
    """What a worker needs to unpickle what its caller has pickled."""
    import os

    plain: dict[str, Any] = {
        'sys_path': [os.path.abspath(path) for path in sys.path] if front is None else list(front),
        'keeps_path': front is not None,
        'argv': list(getattr(sys, 'argv', [''])),
        'environ': dict(environ) if environ is not None else None,
        'cwd': cwd,
        'authkey': _authkey(),
    }
    if _cloudpickle() is None:  # It pickles what is in __main__ by value.
        plain.update(_main_of_caller())
    return plain


def _authkey() -> bytes | None:
    """What the proxies of multiprocessing's managers show to them; None if nobody uses it."""
    process = sys.modules.get('multiprocessing.process')
    return bytes(process.current_process().authkey) if process is not None else None


def _main_of_caller() -> dict[str, str]:
    """Where the worker finds the __main__ of this process, as in multiprocessing.spawn."""
    import os

    main = sys.modules['__main__']
    name = getattr(getattr(main, '__spec__', None), 'name', None)
    if name is not None:
        return {} if name == '__main__' or name.endswith('.__main__') else {'main_module': name}
    path = getattr(main, '__file__', None)
    return {'main_path': os.path.abspath(path)} if path is not None else {}


def _cloudpickle() -> Any:
    """The module if there is one. It is looked for once."""
    if not _found:
        try:
            import cloudpickle

            _found.append(cloudpickle)
        except ImportError:
            _found.append(None)
    return _found[0]


def worker_command(
    python: str | None = None, folders: Sequence[str] | None = None
) -> list[str]:
    """The command of a worker. Not with -m, which takes longer.

    folders: where it finds this package; by default where it is here
    """
    return _command('_worker', python, folders)


def server_command(python: str | None = None, preload: Iterable[str] = ()) -> list[str]:
    """The command of a server that forks workers."""
    command = _command('_forkserver', python)
    modules = ','.join(preload)
    return command + ['--sys-path', _joined_path()] + (['--preload', modules] if modules else [])


def _command(
    module: str, python: str | None, folders: Sequence[str] | None = None
) -> list[str]:
    import os
    import subprocess

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # As multiprocessing does.
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    paths = [root] if folders is None else list(folders)
    code = (
        f'import sys; sys.path[:0] = {paths!r}; '
        f'from parallel_glib.{module} import main; main()'
    )
    return [python or sys.executable, *flags, '-c', code]


def _joined_path() -> str:
    import os

    return os.pathsep.join(os.path.abspath(path) for path in sys.path)


# The worker's side


def loads_setup(data: Buffer) -> dict[str, Any]:
    """The plain data of a setup."""
    return loads(data)


def apply_setup(plain: dict[str, Any]) -> None:
    """Makes this process like its caller, as far as unpickling what comes from there needs it."""
    import os

    if plain['keeps_path']:
        _put_in_front(plain['sys_path'])
    else:
        sys.path[:] = plain['sys_path']
    sys.argv[:] = plain['argv']
    if plain['cwd'] is not None:
        os.chdir(plain['cwd'])
    if plain['environ'] is not None:
        # What is the library's own, its marks for example, stays.
        own = {key: value for key, value in os.environ.items() if key.startswith('PARALLEL_GLIB_')}
        os.environ.clear()
        os.environ.update({**plain['environ'], **own})
    if plain['authkey'] is not None:
        from multiprocessing import process

        process.current_process().authkey = plain['authkey']
    if 'main_module' in plain or 'main_path' in plain:
        _import_main(plain)


def _put_in_front(folders: Sequence[str]) -> None:
    """Before those of the interpreter, in which that of this package, which came first so that it
    is found, is the last.
    """
    import os

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    own = [path for path in sys.path if path not in ('', root)] + [root]
    sys.path[:] = [*folders, *(path for path in own if path not in folders)]


def _import_main(plain: dict[str, Any]) -> None:
    """Runs the caller's script under another name, so that what was pickled in it is found."""
    import runpy
    import types

    name = plain.get('main_module')
    old = sys.modules['__main__']
    if name is not None:
        if getattr(getattr(old, '__spec__', None), 'name', None) == name:
            return
        content = runpy.run_module(name, run_name='__mp_main__', alter_sys=True)
    else:
        if getattr(old, '__file__', None) == plain['main_path']:
            return
        content = runpy.run_path(plain['main_path'], run_name='__mp_main__')
    main = types.ModuleType('__mp_main__')
    main.__dict__.update(content)
    sys.modules['__main__'] = sys.modules['__mp_main__'] = main


def load_callables(plain: dict[str, Any], functions: Sequence[Any]) -> dict[str, Any]:
    """The callables of a setup: unpickled or inherited."""
    number = plain['inherited']
    return loads(plain['callables']) if number is None else functions[number]


def load_request(
    data: memoryview, setup: dict[str, Any], functions: Sequence[Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The call that an input asks for. Raises whatever its unpickling does."""
    tag = data[0]
    if tag == INPUT:
        if setup['task'] is None:
            raise ValueError('an input for a task, but the setup has none')
        return setup['task'], setup['args'] + loads(data[1:]), setup['kwargs']
    if tag == CALL:
        return loads(data[1:])
    if tag == INHERITED:
        inherited = functions[int.from_bytes(data[1:5], 'little')]
        return inherited if isinstance(inherited, tuple) else (inherited, (), {})
    raise ValueError(f'an input with the unknown tag {tag}')


def dumps_result(value: Any) -> tuple[bytes, bytes]:
    """The result as its tag and what follows it, which is not copied if it is bytes."""
    if value is None:
        return b'N', b''
    if type(value) is bytes:
        return b'B', value
    try:
        return b'P', dumps(value, PROTOCOL)
    except Exception:  # pylint: disable=broad-except
        cloudpickle = _cloudpickle()
        if cloudpickle is None:
            raise
    return b'P', cloudpickle.dumps(value, protocol=PROTOCOL)


def dumps_batch_result(
    seconds: float,
    results: list[Any],
    apart: dict[int, bytes],
    failure: bytes | None,
    written_before: int,
) -> bytes:
    """The result of several calls, without its tag.

    seconds: how long they took
    results: those of the calls that succeeded, from the first on; plain data
    apart: results that are no plain data, each as dumps_result() has it, by their place
    failure: the outcome of the call after them, if one failed
    written_before: how many bytes were printed before that call
    """
    return dumps((seconds, results, apart, failure, written_before), PROTOCOL)
