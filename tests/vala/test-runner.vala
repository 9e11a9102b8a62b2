/* test-runner.vala: what a runner says while it runs, and how it ends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

using Parallel;
using Support;

/* Writes its input, and fails if that is negative. */
private bool print (Step step, Cancellable? cancellable) throws Error {
  int number = (int) step.input;

  step.write_text ("%d\n".printf (number));
  if (number < 0)
    throw new IOError.FAILED ("negative");
  step.set_result (number);
  return true;
}

private BackgroundTaskRunner printing_runner () {
  return quiet_runner (new FunctionTask (print));
}

private void wait_in_loop (BackgroundTaskRunner runner, MainLoop loop) {
  runner.close ();
  runner.wait_async.begin (null, (source, result) => {
    try {
      runner.wait_async.end (result);
    } catch (Error error) {
      assert_true (error is RunError.BACKGROUND_FAILURE);
    }
    loop.quit ();
  });
  loop.run ();
}

/* The signals of a run, as text. */
private class Listener : Object {
  public string said = "";

  public Listener (BackgroundTaskRunner runner) {
    runner.step_started.connect ((step) => said += "start %d, ".printf ((int) step.input));
    runner.step_finished.connect ((step) => said += "end %d %s, ".printf ((int) step.input, state_nick (step)));
    runner.output.connect (hear_output);
    runner.finished.connect ((error) => said += error == null ? "well" : "%s %d".printf (error.domain.to_string (), error.code));
  }

  private void hear_output (Step step, Parallel.OutputStream stream, Bytes bytes) {
    assert_true (stream == Parallel.OutputStream.STDOUT);
    assert_cmpstr (bytes_to_string (bytes), CompareOperator.EQ, "%d\n".printf ((int) step.input));
    said += "output %d, ".printf ((int) step.input);
  }

  private static string state_nick (Step step) {
    EnumClass states = (EnumClass) typeof (StepState).class_ref ();

    return states.get_value (step.state).value_nick;
  }
}

/* Between the start of one step and the output of another there is no order, so there is one step. */
private void check_signals (int number, string expected) {
  var runner = printing_runner ();
  var sink = new MemoryOutputStream.resizable ();

  runner.output_mode = OutputMode.ORDERED;
  runner.sink = sink;
  var listener = new Listener (runner);
  put_int (runner, number);
  wait_in_loop (runner, new MainLoop ());
  assert_cmpstr (sorted (listener.said), CompareOperator.EQ, sorted (expected));
  assert_true (listener.said.has_prefix ("start %d, ".printf (number)));
  assert_true (listener.said.has_suffix (expected.substring (expected.last_index_of (", "))));
  assert_last ((owned) runner);
  assert_last ((owned) listener);
}

private string sorted (string said) {
  var parts = new GenericArray<string> ();

  foreach (unowned string part in said.split (", "))
    parts.add (part);
  parts.sort (strcmp);
  return string.joinv (", ", parts.data);
}

private void test_signals () {
  check_signals (7, "start 7, output 7, end 7 succeeded, well");
  check_signals (-7, "start -7, output -7, end -7 failed, parallel-run-error-quark 1");
}

/* Without a main loop they come while it is waited for. */
private void test_signals_in_wait () {
  var runner = printing_runner ();
  string said = "";
  int n_notified = 0;

  runner.step_finished.connect ((step) => said += "%d ".printf ((int) step.get_result ()));
  runner.notify["n-succeeded"].connect (() => n_notified++);
  for (int i = 0; i < 4; i++)
    put_int (runner, i);
  assert_cmpstr (said, CompareOperator.EQ, "");
  close_and_wait (runner);
  assert_cmpstr (said, CompareOperator.EQ, "0 1 2 3 ");
  assert_cmpint (n_notified, CompareOperator.GE, 1);
  assert_cmpint (n_notified, CompareOperator.LE, 4);
  assert_last ((owned) runner);
}

/* A handler that holds something is freed with the runner, or when it is disconnected. */
private ulong connect_with_token (BackgroundTaskRunner runner) {
  var token = new Token (1);

  return runner.step_finished.connect (() => assert_cmpint (token.number, CompareOperator.EQ, 1));
}

private void test_handler_freed () {
  int n_freed = Token.get_n_freed ();
  var runner = printing_runner ();

  ulong first = connect_with_token (runner);
  connect_with_token (runner);
  put_int (runner, 0);
  close_and_wait (runner);
  runner.disconnect (first);
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 1);
  assert_last ((owned) runner);
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 2);
}

private void test_list_model () {
  var runner = printing_runner ();
  ListModel model = runner;
  int n_items = 0;

  assert_true (model.get_item_type () == typeof (Step));
  assert_cmpuint (model.get_n_items (), CompareOperator.EQ, 0);
  model.items_changed.connect ((position, removed, added) => n_items += (int) added - (int) removed);
  for (int i = 0; i < 3; i++)
    put_int (runner, i);
  close_and_wait (runner);
  assert_cmpint (n_items, CompareOperator.EQ, 3);
  assert_cmpuint (model.get_n_items (), CompareOperator.EQ, 3);
  for (uint i = 0; i < model.get_n_items (); i++) {
    var step = (Step) model.get_item (i);
    assert_cmpint ((int) step.get_result (), CompareOperator.EQ, (int) i);
    assert_true (step == model.get_object (i));
    assert_true (step.index == i);
  }
  assert_null (model.get_item (3));
  var last = (Step) model.get_item (2);
  model = null;
  assert_last ((owned) runner);
  assert_cmpint ((int) last.get_result (), CompareOperator.EQ, 2);
  assert_last ((owned) last);
}

private async string take_all (BackgroundTaskRunner runner) throws Error {
  string taken = "";
  Step? step;

  while ((step = yield runner.next_async ()) != null)
    taken += "%s%d ".printf (step.state == StepState.FAILED ? "!" : "", (int) step.input);
  return taken;
}

private async string feed_and_take (BackgroundTaskRunner runner) throws Error {
  string taking;

  foreach (int number in new int[] { 3, -1, 2 })
    assert_true (yield runner.put_async (number));
  runner.close ();
  taking = yield take_all (runner);
  try {
    yield runner.wait_async ();
    assert_not_reached ();
  } catch (RunError.BACKGROUND_FAILURE error) {
    taking += error.message.has_prefix ("1 of 3 steps failed") ? "as expected" : error.message;
  }
  return taking;
}

private void test_next_async () {
  var runner = printing_runner ();
  var loop = new MainLoop ();
  string? taken = null;

  runner.max_pending = 1;
  runner.keep_steps = KeepSteps.UNTIL_TAKEN;
  feed_and_take.begin (runner, (source, result) => {
    try {
      taken = feed_and_take.end (result);
    } catch (Error error) {
      assert_no_error (error);
    }
    loop.quit ();
  });
  loop.run ();
  assert_cmpstr (taken, CompareOperator.EQ, "3 !-1 2 as expected");
  assert_cmpstr (join_inputs (runner.dup_failures ()), CompareOperator.EQ, "-1");
  assert_cmpuint (runner.get_n_items (), CompareOperator.EQ, 1);
  assert_last ((owned) runner);
}

private void test_next () {
  var runner = printing_runner ();
  var cancellable = new Cancellable ();

  runner.keep_steps = KeepSteps.UNTIL_TAKEN;
  cancellable.cancel ();
  try {
    runner.next (cancellable);
    assert_not_reached ();
  } catch (IOError.CANCELLED error) {
    put_int (runner, 5);
    put_int (runner, 6);
    runner.close ();
  } catch (Error error) {
    assert_no_error (error);
  }
  try {
    assert_cmpint ((int) runner.next ().get_result (), CompareOperator.EQ, 5);
    assert_cmpint ((int) runner.next ().get_result (), CompareOperator.EQ, 6);
    assert_null (runner.next ());
    runner.put (7);
    assert_not_reached ();
  } catch (RunError.CLOSED error) {
  } catch (Error error) {
    assert_no_error (error);
  }
  close_and_wait (runner);
  assert_last ((owned) runner);
}

/* The first step is told to stop when it has started. */
private void test_cancelled () {
  var cancellable = new Cancellable ();
  var runner = quiet_runner (new FunctionTask ((step, step_cancellable) => {
    cancellable.cancel ();
    await_cancelled (step_cancellable);
    return !step_cancellable.set_error_if_cancelled ();
  }));

  runner.cancellable = cancellable;
  runner.pause ();
  put_int (runner, 0);
  put_int (runner, 1);
  runner.close ();
  runner.resume ();
  try {
    runner.wait ();
    assert_not_reached ();
  } catch (IOError.CANCELLED error) {
    assert_cmpstr (join_inputs (runner.dup_skipped ()), CompareOperator.EQ, "1");
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_true (runner.dup_steps ()[0].state == StepState.HALTED);
  assert_last ((owned) runner);
}

private void test_halt_on_error () {
  var runner = printing_runner ();

  runner.halt_on_error = true;
  runner.pause ();
  foreach (int number in new int[] { 1, -1, 2, 3 })
    put_int (runner, number);
  runner.resume ();
  assert_error (close_and_fail (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  assert_cmpstr (join_inputs (runner.dup_failures ()), CompareOperator.EQ, "-1");
  assert_cmpstr (join_inputs (runner.dup_skipped ()), CompareOperator.EQ, "2 3");
  assert_last ((owned) runner);
}

private void test_halt () {
  var runner = printing_runner ();

  runner.pause ();
  put_int (runner, 1);
  runner.halt (HaltMode.SOON);
  try {
    runner.wait ();
    assert_not_reached ();
  } catch (RunError.HALTED error) {
    assert_cmpuint (runner.dup_skipped ().length, CompareOperator.EQ, 1);
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_last ((owned) runner);
}

private void test_properties () {
  var runner = printing_runner ();
  var sink = new MemoryOutputStream.resizable ();

  runner.set ("max-parallel", 3, "timeout", 2.5, "sink", sink, "keep-steps", KeepSteps.FAILED);
  assert_cmpuint (runner.max_parallel, CompareOperator.EQ, 3);
  assert_cmpfloat (runner.timeout, CompareOperator.EQ, 2.5);
  assert_true (runner.sink == sink);
  assert_true (runner.keep_steps == KeepSteps.FAILED);
  runner.sink = null;
  assert_true (runner.sink == null);
  assert_true (runner.cancellable == null);
  assert_true (runner.task is FunctionTask);
  assert_true (runner.dump ().contains ("0"));
  assert_last ((owned) runner);
  assert_last ((owned) sink);
}

private int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/vala/runner/signals", test_signals);
  Test.add_func ("/vala/runner/signals-in-wait", test_signals_in_wait);
  Test.add_func ("/vala/runner/handler-freed", test_handler_freed);
  Test.add_func ("/vala/runner/list-model", test_list_model);
  Test.add_func ("/vala/runner/next-async", test_next_async);
  Test.add_func ("/vala/runner/next", test_next);
  Test.add_func ("/vala/runner/cancelled", test_cancelled);
  Test.add_func ("/vala/runner/halt-on-error", test_halt_on_error);
  Test.add_func ("/vala/runner/halt", test_halt);
  Test.add_func ("/vala/runner/properties", test_properties);
  return Test.run ();
}
