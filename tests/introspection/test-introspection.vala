/* test-introspection.vala: the library as its Vala API shows it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

using Parallel;

private BackgroundTaskRunner command_runner () {
  string[] argv = { "sh", "-c", "echo $0; exit $0", "{}" };
  var runner = new BackgroundTaskRunner (new CommandTask (argv));
  runner.keep_steps = KeepSteps.ALL;
  runner.output_mode = OutputMode.NONE;
  return runner;
}

private void test_two_commands () {
  try {
    var runner = command_runner ();
    var sink = new MemoryOutputStream.resizable ();
    runner.output_mode = OutputMode.ORDERED;
    runner.sink = sink;
    assert_true (runner.put_string ("0"));
    assert_true (runner.put ("00"));
    runner.close ();
    assert_true (runner.wait (null));
    sink.close ();
    var bytes = sink.steal_as_bytes ();
    assert_cmpstr (((string) bytes.get_data ()).substring (0, (long) bytes.get_size ()), CompareOperator.EQ, "0\n00\n");
    assert_cmpuint (runner.get_n_items (), CompareOperator.EQ, 2);
  } catch (Error error) {
    assert_no_error (error);
  }
}

private void test_run_steps () {
  try {
    var steps = new GenericArray<Step> ();
    steps.add (new Step (new CommandTask.shell ("echo \"# from a step\""), null));
    steps.add (new Step (new CommandTask.shell ("exit 0"), null));
    assert_true (Parallel.run_steps (steps, 2, false, null));
    assert_cmpint (steps[1].get_exit_status (), CompareOperator.EQ, 0);
  } catch (Error error) {
    assert_no_error (error);
  }
}

private void test_error () {
  var runner = command_runner ();
  try {
    runner.put_string ("0");
    runner.put_string ("7");
    runner.close ();
    runner.wait (null);
    assert_not_reached ();
  } catch (RunError.BACKGROUND_FAILURE error) {
    assert_true (error.message.contains ("1 of 2"));
  } catch (Error error) {
    assert_no_error (error);
  }
  var failures = runner.dup_failures ();
  assert_cmpint (failures.length, CompareOperator.EQ, 1);
  assert_cmpint (failures[0].get_exit_status (), CompareOperator.EQ, 7);
}

private async void wait_for_error (MainLoop loop) {
  var runner = command_runner ();
  try {
    yield runner.put_async ("3", null);
    runner.close ();
    yield runner.wait_async (null);
    assert_not_reached ();
  } catch (RunError error) {
    assert_true (error is RunError.BACKGROUND_FAILURE);
  } catch (Error error) {
    assert_no_error (error);
  }
  loop.quit ();
}

private void test_wait_async () {
  var loop = new MainLoop ();
  wait_for_error.begin (loop);
  loop.run ();
}

private int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/vala/two-commands", test_two_commands);
  Test.add_func ("/vala/run-steps", test_run_steps);
  Test.add_func ("/vala/error", test_error);
  Test.add_func ("/vala/wait-async", test_wait_async);
  return Test.run ();
}
