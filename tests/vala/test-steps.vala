/* test-steps.vala: the short form, run_steps().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

using Parallel;
using Support;

private bool square (Step step, Cancellable? cancellable) throws Error {
  int number = (int) step.input;

  if (number < 0)
    throw new IOError.INVALID_ARGUMENT ("%d is negative", number);
  step.set_result (number * number);
  return true;
}

private GenericArray<Step> square_steps (int[] numbers) {
  var steps = new GenericArray<Step> ();
  var task = new FunctionTask (square);

  foreach (int number in numbers)
    steps.add (new Step (task, number));
  return steps;
}

/* Each step is held by the list alone. */
private void assert_last_steps (owned GenericArray<Step> steps) {
  while (steps.length > 0)
    assert_last (steps.steal_index (0));
}

private void test_sync () {
  var steps = square_steps ({ 1, 2, 3 });

  try {
    assert_true (run_steps (steps, 2, false));
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_cmpstr (join_results (steps), CompareOperator.EQ, "1 4 9");
  assert_last_steps ((owned) steps);
}

private void test_sync_failure () {
  var steps = square_steps ({ 1, -2, 3, -4 });

  try {
    run_steps (steps, 2, false, null);
    assert_not_reached ();
  } catch (RunError.BACKGROUND_FAILURE error) {
    assert_true (error.message.has_prefix ("2 of 4 steps failed"));
    assert_true (error.message.contains ("-4 is negative"));
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_error (steps[1].error, IOError.quark (), IOError.INVALID_ARGUMENT);
  assert_true (steps[0].dup_error () == null);
  assert_cmpint ((int) steps[2].get_result (), CompareOperator.EQ, 9);
  assert_last_steps ((owned) steps);
}

/* Not a parameter of the function below, whose result Vala would keep from us once it is cancelled. */
private Cancellable? stop = null;

private async string run_async (GenericArray<Step> steps) {
  try {
    if (stop == null)
      yield run_steps_async (steps, 0, false);
    else
      yield run_steps_async (steps, 1, true, stop);
  } catch (RunError error) {
    return "run error %d".printf (error.code);
  } catch (IOError.CANCELLED error) {
    return "cancelled";
  } catch (Error error) {
    return error.message;
  }
  return "well";
}

private string await_steps (GenericArray<Step> steps) {
  var loop = new MainLoop ();
  string? outcome = null;

  run_async.begin (steps, (source, result) => {
    outcome = run_async.end (result);
    loop.quit ();
  });
  loop.run ();
  return outcome;
}

private void test_async () {
  var steps = square_steps ({ 4, 5 });

  assert_cmpstr (await_steps (steps), CompareOperator.EQ, "well");
  assert_cmpstr (join_results (steps), CompareOperator.EQ, "16 25");
  assert_last_steps ((owned) steps);
}

private void test_async_failure () {
  var steps = square_steps ({ -1 });

  assert_cmpstr (await_steps (steps), CompareOperator.EQ, "run error 1");
  assert_last_steps ((owned) steps);
}

private void test_async_cancelled () {
  var steps = square_steps ({ 1, 2 });

  stop = new Cancellable ();
  stop.cancel ();
  assert_cmpstr (await_steps (steps), CompareOperator.EQ, "cancelled");
  assert_last ((owned) stop);
  assert_true (steps[0].get_result () == null);
  assert_last_steps ((owned) steps);
}

/* What a runner has kept is such a list, too: the arrays have the same type. */
private void test_same_type () {
  var runner = quiet_runner (new FunctionTask (square));

  put_int (runner, 3);
  close_and_wait (runner);
  GenericArray<Step> steps = runner.dup_steps ();
  assert_last ((owned) runner);
  assert_cmpstr (join_results (steps), CompareOperator.EQ, "9");
  try {
    run_steps (steps, 1, false);
    assert_not_reached ();
  } catch (IOError.INVALID_ARGUMENT error) {
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_last_steps ((owned) steps);
}

private int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/vala/steps/sync", test_sync);
  Test.add_func ("/vala/steps/sync/failure", test_sync_failure);
  Test.add_func ("/vala/steps/async", test_async);
  Test.add_func ("/vala/steps/async/failure", test_async_failure);
  Test.add_func ("/vala/steps/async/cancelled", test_async_cancelled);
  Test.add_func ("/vala/steps/same-type", test_same_type);
  return Test.run ();
}
