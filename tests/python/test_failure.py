# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a failure says, and what becomes of it on its way."""

import pickle
import threading
import traceback

import cloudpickle
import pytest
from parallel_glib import (
    BackgroundFailure,
    CommandFailed,
    Failure,
    FailureKind,
    RemoteError,
    RemoteTraceback,
    StepAborted,
    UnexpectedExit,
)
from parallel_glib._failure import repr_of


class TwoArguments(Exception):
    """Its unpickling raises: pickle gives it one argument."""

    def __init__(self, one, two):
        super().__init__(f'{one} {two}')


def failure(exception, name='step', index=0, **fields):
    return Failure.from_exception(exception, name=name, index=index, **fields)


def remote(exception, text='Traceback of the worker\n', **fields):
    return Failure(
        name='step',
        index=0,
        type_name=type(exception).__name__,
        message=str(exception),
        traceback=text,
        exception=exception,
        **fields,
    )


def test_group_has_the_original_exceptions_in_queue_order():
    first, second = KeyError('a'), OSError('b')
    group = BackgroundFailure([failure(first, index=1), failure(second, index=5)], total=7)
    assert group.exceptions == (first, second)
    assert group.message == '2 of 7 steps failed'
    assert [entry.index for entry in group.failures] == [1, 5]


def test_except_star():
    group = BackgroundFailure([failure(KeyError('a')), failure(OSError('b'), index=1)])
    caught = []
    try:
        raise group
    except* KeyError as some:
        caught.append(some)
    except* OSError as some:
        caught.append(some)
    assert [type(some) for some in caught] == [BackgroundFailure, BackgroundFailure]
    assert [some.failures[0].index for some in caught] == [0, 1]


def test_split_keeps_failures_and_results():
    group = BackgroundFailure(
        [failure(KeyError('a')), failure(OSError('b'), index=1)], results={2: 'x'}
    )
    match, rest = group.split(OSError)
    assert [entry.index for entry in match.failures] == [1]
    assert [entry.index for entry in rest.failures] == [0]
    assert match.results == {2: 'x'}


def test_split_of_a_group_that_a_step_raised():
    inner = ExceptionGroup('inner', [KeyError('a'), OSError('b')])
    group = BackgroundFailure([failure(inner)])
    match, rest = group.split(KeyError)
    assert isinstance(match.exceptions[0].exceptions[0], KeyError)
    assert isinstance(rest.exceptions[0].exceptions[0], OSError)


def test_remote_traceback_is_the_cause():
    error = ValueError('x')
    BackgroundFailure([remote(error)])
    assert isinstance(error.__cause__, RemoteTraceback)
    assert 'Traceback of the worker' in str(error.__cause__)
    assert 'Traceback of the worker' in ''.join(traceback.format_exception(error))


def test_cause_of_the_step_itself_is_kept():
    error = ValueError('x')
    error.__cause__ = cause = KeyError('y')
    BackgroundFailure([remote(error)])
    assert error.__cause__ is cause


@pytest.mark.parametrize(
    'exception, leaf_type, kind, status',
    [
        (KeyboardInterrupt('stop'), StepAborted, FailureKind.EXCEPTION, None),
        (GeneratorExit(), StepAborted, FailureKind.EXCEPTION, None),
        (SystemExit(3), UnexpectedExit, FailureKind.EXIT, 3),
        (SystemExit('message'), UnexpectedExit, FailureKind.EXIT, 1),
    ],
)
def test_what_is_no_exception_has_a_leaf_that_is(exception, leaf_type, kind, status):
    entry = failure(exception)
    group = BackgroundFailure([entry])
    assert type(group.exceptions[0]) is leaf_type
    assert isinstance(group, Exception)
    assert group.failures[0].exception is exception
    assert (entry.kind, entry.exit_status) == (kind, status)


def test_nothing_but_text():
    group = BackgroundFailure([Failure(name='a', index=0, type_name='app.Odd', message='no')])
    assert type(group.exceptions[0]) is RemoteError
    assert str(group.exceptions[0]) == 'app.Odd: no'


def test_nested_failures_are_flattened_in_place():
    inner = BackgroundFailure(
        [failure(KeyError('a'), name='x'), failure(OSError('b'), name='y', index=1)]
    )
    middle = BackgroundFailure([failure(inner, name='middle')])
    outer = BackgroundFailure(
        [
            failure(ValueError('first'), name='first'),
            failure(middle, name='outer', index=1),
            failure(ValueError('last'), name='last', index=2),
        ]
    )
    assert [entry.full_name for entry in outer.failures] == [
        'first',
        'outer > middle > x',
        'outer > middle > y',
        'last',
    ]
    assert [type(error) for error in outer.exceptions] == [
        ValueError,
        KeyError,
        OSError,
        ValueError,
    ]


def test_text_is_bounded_and_one_line_each():
    group = BackgroundFailure(
        [
            failure(ValueError(f'line\nother {number}'), index=number, name=f's{number}')
            for number in range(30)
        ],
        total=100,
    )
    lines = str(group).splitlines()
    assert lines[0] == '30 of 100 steps failed:'
    assert lines[1] == '  s0: ValueError: line … (after 0.0 s)'
    assert lines[-1] == '  and 20 more'
    assert len(lines) == 12


def test_description_has_everything():
    text = remote(
        ValueError('x'), output_tail='last words\n', diagnosis='thread 1 waits'
    ).describe()
    for part in 'ValueError: x', 'Traceback of the worker', 'last words', 'thread 1 waits':
        assert part in text


def test_printed_traceback_names_the_step_once():
    error = ValueError('x')
    entry = remote(error)
    BackgroundFailure([entry])
    text = ''.join(traceback.format_exception(BackgroundFailure([entry])))
    assert text.count('In step step (number 0') == 1


@pytest.mark.parametrize('dumps', [pickle.dumps, cloudpickle.dumps])
def test_pickling(dumps):
    error = CommandFailed('gone', exit_status=3, argv=('a', 'b'))
    group = BackgroundFailure(
        [failure(error, name='x', index=4, input=(1,), duration=2.5)], results={0: 'r'}, total=9
    )
    group.add_note('a note')
    copy = pickle.loads(dumps(group))
    assert type(copy) is BackgroundFailure
    assert (copy.message, copy.results, copy.__notes__) == (group.message, {0: 'r'}, ['a note'])
    entry = copy.failures[0]
    assert (entry.name, entry.index, entry.input, entry.duration) == ('x', 4, (1,), 2.5)
    assert type(copy.exceptions[0]) is CommandFailed
    assert (copy.exceptions[0].exit_status, copy.exceptions[0].argv) == (3, ('a', 'b'))


def test_pickling_of_what_cannot_be_pickled():
    class Holding(Exception):
        pass

    error = Holding('held')
    error.lock = threading.Lock()
    group = BackgroundFailure(
        [failure(error, input=(threading.Lock(),)), failure(KeyError('a'), index=1)],
        results={2: threading.Lock(), 3: 'kept'},
    )
    copy = pickle.loads(pickle.dumps(group))
    assert type(copy.exceptions[0]) is RemoteError
    assert 'Holding: held' in str(copy.exceptions[0])
    assert 'lock' in copy.failures[0].input
    assert type(copy.exceptions[1]) is KeyError
    assert copy.results == {2: None, 3: 'kept'}


def test_pickling_of_what_cannot_be_unpickled():
    copy = pickle.loads(pickle.dumps(BackgroundFailure([failure(TwoArguments('a', 'b'))])))
    assert type(copy.exceptions[0]) is RemoteError
    assert 'TwoArguments: a b' in str(copy.exceptions[0])
    assert 'TwoArguments' in copy.failures[0].traceback


def test_pickling_of_a_keyboard_interrupt():
    copy = pickle.loads(pickle.dumps(BackgroundFailure([failure(KeyboardInterrupt('x'))])))
    assert type(copy.exceptions[0]) is StepAborted
    assert type(copy.failures[0].exception) is KeyboardInterrupt


def test_broken_repr_and_str():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError('no')

        __repr__ = __str__

    group = BackgroundFailure([failure(Broken(), input=(Broken(),))])
    assert 'str() raised RuntimeError' in str(group)
    pickle.loads(pickle.dumps(group))


def test_only_what_is_shown_is_made_into_text():
    class Item:
        n_shown = 0

        def __repr__(self):
            Item.n_shown += 1
            return 'item'

    assert repr_of([Item()] * 10_000, 20) == '[item, item, item, …'
    assert repr_of({'key': (b'x' * 10_000, Item())}, 20) == "{'key': (b'xxxxxxxx…"
    assert Item.n_shown <= 21
    endless = []
    endless.append(endless)
    assert repr_of(endless) == '[[[[[...]]]]]'
