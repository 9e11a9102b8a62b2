/* test-async.vala: asynchronous tasks, as subclasses and as functions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

using Parallel;
using Support;

private class SquareTask : AsyncTask {
  public int n_started = 0;
  public int n_running = 0;
  public int n_most = 0;
  public Token token = new Token (0);

  public override async bool run_async (Step step, Cancellable? cancellable) throws Error {
    int number = (int) step.input;

    n_started++;
    n_running++;
    n_most = int.max (n_most, n_running);
    Idle.add (run_async.callback);
    yield;
    n_running--;
    if (number == 3)
      throw new IOError.INVALID_DATA ("%d is odd", number);
    if (number == 5)
      return false;
    step.set_result (number * number + token.number);
    return true;
  }
}

/* Ends only when it is told to. */
private class PatientTask : AsyncTask {
  public int n_cancelled = 0;
  public signal void started ();

  public override async bool run_async (Step step, Cancellable? cancellable) throws Error {
    ulong id = cancellable.cancelled.connect (() => Idle.add (run_async.callback));

    started ();
    yield;
    cancellable.disconnect (id);
    n_cancelled++;
    cancellable.set_error_if_cancelled ();
    return true;
  }
}

private class EmptyTask : AsyncTask {
}

/* The library alone knows how to run a task of another kind. */
private class OtherTask : Parallel.Task {
}

/* Waits in the main loop; returns what the run ended with. */
private Error? close_and_await (BackgroundTaskRunner runner) {
  var loop = new MainLoop ();
  Error? outcome = null;

  runner.close ();
  runner.wait_async.begin (null, (source, result) => {
    try {
      assert_true (runner.wait_async.end (result));
    } catch (Error error) {
      outcome = error;
    }
    loop.quit ();
  });
  loop.run ();
  return outcome;
}

private void test_subclass () {
  int n_freed = Token.get_n_freed ();
  var task = new SquareTask ();
  var runner = quiet_runner (task);

  runner.max_parallel = 2;
  foreach (int i in new int[] { 1, 2, 4, 6 })
    put_int (runner, i);
  assert_no_error (close_and_await (runner));
  assert_cmpstr (join_results (runner.dup_steps ()), CompareOperator.EQ, "1 4 16 36");
  assert_cmpint (task.n_started, CompareOperator.EQ, 4);
  assert_cmpint (task.n_running, CompareOperator.EQ, 0);
  assert_cmpint (task.n_most, CompareOperator.EQ, 2);
  assert_last ((owned) runner);
  assert_last ((owned) task);
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 1);
}

private void test_subclass_errors () {
  var runner = quiet_runner (new SquareTask ());

  for (int i = 2; i < 6; i++)
    put_int (runner, i);
  assert_error (close_and_await (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  var failures = runner.dup_failures ();
  assert_cmpstr (join_inputs (failures), CompareOperator.EQ, "3 5");
  assert_error (failures[0].error, IOError.quark (), IOError.INVALID_DATA);
  assert_cmpstr (failures[0].error.message, CompareOperator.EQ, "3 is odd");
  assert_error (failures[1].error, RunError.quark (), RunError.FAILED);
  assert_last ((owned) runner);
}

private void test_subclass_cancelled () {
  var task = new PatientTask ();
  var runner = quiet_runner (task);
  var cancellable = new Cancellable ();

  runner.cancellable = cancellable;
  task.started.connect (() => cancellable.cancel ());
  put_int (runner, 0);
  put_int (runner, 1);
  assert_error (close_and_await (runner), IOError.quark (), IOError.CANCELLED);
  assert_cmpint (task.n_cancelled, CompareOperator.EQ, 1);
  assert_cmpstr (join_inputs (runner.dup_skipped ()), CompareOperator.EQ, "1");
  assert_cmpuint (runner.dup_failures ().length, CompareOperator.EQ, 0);
  assert_last ((owned) runner);
  assert_last ((owned) task);
  assert_cmpuint (cancellable.ref_count, CompareOperator.EQ, 1);
}

private void test_step_cancelled () {
  var task = new PatientTask ();
  var runner = quiet_runner (null);
  var step = new Step (task, 0);

  task.started.connect (() => step.cancel ());
  put_step (runner, step);
  assert_error (close_and_await (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  assert_cmpint (task.n_cancelled, CompareOperator.EQ, 1);
  assert_error (step.error, RunError.quark (), RunError.HALTED);
  assert_last ((owned) runner);
}

private void test_without_methods () {
  var runner = quiet_runner (new EmptyTask ());

  put_int (runner, 0);
  assert_error (close_and_await (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  assert_error (runner.dup_failures ()[0].error, RunError.quark (), RunError.FAILED);
  assert_true (runner.dup_failures ()[0].error.message.contains ("EmptyTask does not implement run_async"));
  assert_last ((owned) runner);
}

private void test_other_task () {
  var runner = quiet_runner (new OtherTask ());
  var step = new Step (new OtherTask (), 0);
  int n_refused = 0;

  try {
    runner.put (0);
  } catch (IOError.INVALID_ARGUMENT error) {
    assert_true (error.message.contains ("OtherTask cannot be run"));
    n_refused++;
  } catch (Error error) {
    assert_no_error (error);
  }
  try {
    runner.put_step (step);
  } catch (IOError.INVALID_ARGUMENT error) {
    n_refused++;
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_cmpint (n_refused, CompareOperator.EQ, 2);
  close_and_wait (runner);
  assert_last ((owned) step);
  assert_last ((owned) runner);
}

/* The operation's end is told by a source, which holds the step. */
private Parallel.Task later_task (Token token) {
  return new AsyncTask ((step, cancellable) => {
    Idle.add (() => {
      if ((int) step.input == 0) {
        step.fail (new IOError.BUSY ("token %d", token.number));
      } else {
        step.set_result (token.number + (int) step.input);
        step.complete ();
      }
      return Source.REMOVE;
    });
  });
}

private void test_function () {
  int n_freed = Token.get_n_freed ();
  var runner = quiet_runner (later_task (new Token (10)));

  foreach (int i in new int[] { 1, 2, 0 })
    put_int (runner, i);
  assert_error (close_and_await (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  var steps = runner.dup_steps ();
  assert_cmpint ((int) steps[0].get_result (), CompareOperator.EQ, 11);
  assert_cmpint ((int) steps[1].get_result (), CompareOperator.EQ, 12);
  assert_error (steps[2].error, IOError.quark (), IOError.BUSY);
  assert_cmpstr (steps[2].error.message, CompareOperator.EQ, "token 10");
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed);
  steps = null;
  assert_last ((owned) runner);
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 1);
}

private int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/vala/async/subclass", test_subclass);
  Test.add_func ("/vala/async/subclass/errors", test_subclass_errors);
  Test.add_func ("/vala/async/subclass/cancelled", test_subclass_cancelled);
  Test.add_func ("/vala/async/subclass/step-cancelled", test_step_cancelled);
  Test.add_func ("/vala/async/subclass/without-methods", test_without_methods);
  Test.add_func ("/vala/async/other-task", test_other_task);
  Test.add_func ("/vala/async/function", test_function);
  return Test.run ();
}
