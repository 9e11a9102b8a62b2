/* test-command.vala: programs as steps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

using Parallel;
using Support;

private BackgroundTaskRunner shell_runner (string script) {
  return quiet_runner (new CommandTask ({ "sh", "-c", script, "{}" }));
}

private void put_all (BackgroundTaskRunner runner, string[] inputs) {
  try {
    foreach (unowned string input in inputs)
      assert_true (runner.put_string (input));
  } catch (Error error) {
    assert_no_error (error);
  }
}

private void test_output () {
  var runner = shell_runner ("echo \"out $0\"; echo \"err $0\" >&2");
  var sink = new MemoryOutputStream.resizable ();
  var error_sink = new MemoryOutputStream.resizable ();

  runner.output_mode = OutputMode.ORDERED;
  runner.sink = sink;
  runner.error_sink = error_sink;
  runner.max_parallel = 2;
  put_all (runner, { "0", "a b" });
  close_and_wait (runner);

  var step = runner.dup_steps ()[1];
  assert_cmpstr (dup_output (step), CompareOperator.EQ, "out a b\n");
  assert_cmpstr (dup_output (step, Parallel.OutputStream.STDERR), CompareOperator.EQ, "err a b\n");
  assert_cmpint (step.exit_status, CompareOperator.EQ, 0);
  assert_cmpint (step.term_signal, CompareOperator.EQ, 0);
  assert_cmpstr ((string) step.input, CompareOperator.EQ, "a b");
  assert_last ((owned) runner);
  assert_cmpstr (written (sink), CompareOperator.EQ, "out 0\nout a b\n");
  assert_cmpstr (written (error_sink), CompareOperator.EQ, "err 0\nerr a b\n");
}

private void test_settings () {
  var task = new CommandTask.shell ("pwd; echo $GREETING; cat; cat >&2 /dev/null");

  assert_true (task.cwd == null);
  assert_true (task.environ == null);
  assert_true (task.stdin_bytes == null);
  task.cwd = "/";
  task.setenv ("GREETING", "hello");
  task.setenv ("NOTHING", "there");
  task.unsetenv ("NOTHING");
  task.stdin_bytes = new Bytes ("input\n".data);
  task.merge_stderr = true;
  assert_cmpstr (Environ.get_variable (task.environ, "GREETING"), CompareOperator.EQ, "hello");
  assert_true (Environ.get_variable (task.environ, "NOTHING") == null);

  var runner = quiet_runner (null);
  var step = new Step (task, null);
  put_step (runner, step);
  close_and_wait (runner);
  assert_cmpstr (dup_output (step), CompareOperator.EQ, "/\nhello\ninput\n");
  assert_last ((owned) runner);
  assert_last ((owned) step);
  assert_last ((owned) task);
}

/* What a getter returns is the task's, and a copy the caller's. */
private void test_argv () {
  string[] argv = { "nice", "{}" };
  var task = new CommandTask (argv);

  argv[0] = "changed";
  string[] copy = task.argv;
  task.launcher_prefix = { "env" };
  assert_cmpstrv (task.get_argv (), { "nice", "{}" });
  assert_cmpstrv (task.get_launcher_prefix (), { "env" });
  assert_last ((owned) task);
  assert_cmpint (copy.length, CompareOperator.EQ, 2);
  assert_cmpstrv (copy, { "nice", "{}" });
}

private void test_failures () {
  var runner = shell_runner ("test $0 != 9 || kill -9 $$; exit $0");

  put_all (runner, { "0", "3", "9" });
  try {
    runner.close ();
    runner.wait ();
    assert_not_reached ();
  } catch (RunError.BACKGROUND_FAILURE error) {
    assert_true (error.message.has_prefix ("2 of 3 steps failed"));
  } catch (Error error) {
    assert_no_error (error);
  }
  var failures = runner.dup_failures ();
  assert_cmpuint (failures.length, CompareOperator.EQ, 2);
  assert_cmpint (failures[0].exit_status, CompareOperator.EQ, 3);
  assert_error (failures[0].error, Quark.from_string ("g-spawn-exit-error-quark"), 3);
  assert_cmpint (failures[1].exit_status, CompareOperator.EQ, -1);
  assert_cmpint (failures[1].term_signal, CompareOperator.EQ, 9);
  assert_last ((owned) runner);
}

private void test_no_program () {
  var runner = quiet_runner (new CommandTask ({ "/no/such/program" }));

  put_all (runner, { "0" });
  assert_error (close_and_fail (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  try {
    throw runner.dup_failures ()[0].error;
  } catch (SpawnError.NOENT error) {
    assert_true (error.message.contains ("/no/such/program"));
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_last ((owned) runner);
}

private void test_attempts () {
  var runner = shell_runner ("echo try; exit 1");

  runner.max_attempts = 3;
  put_all (runner, { "x" });
  close_and_fail (runner);
  var step = runner.dup_failures ()[0];
  string[] errors = step.dup_attempt_errors ();
  assert_cmpuint (step.attempt, CompareOperator.EQ, 3);
  assert_cmpint (errors.length, CompareOperator.GE, 2);
  foreach (unowned string message in errors)
    assert_cmpstr (message, CompareOperator.EQ, errors[0]);
  assert_last ((owned) runner);
}

private void test_stop_sequence () {
  var runner = shell_runner ("exit 0");

  assert_true (runner.stop_sequence == null);
  try {
    assert_true (runner.set_stop_sequence ("INT,200,KILL"));
    assert_cmpstr (runner.stop_sequence, CompareOperator.EQ, "INT,200,KILL");
    runner.set_stop_sequence ("NONSENSE");
    assert_not_reached ();
  } catch (IOError.INVALID_ARGUMENT error) {
    assert_cmpstr (runner.get_stop_sequence (), CompareOperator.EQ, "INT,200,KILL");
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_last ((owned) runner);
}

/* The programs run where the launcher starts them; as well as any others. */
private void test_launcher () {
  var launcher = new Launcher.prefix ({ "env", "THERE=there" });
  var task = new CommandTask ({ "sh", "-c", "echo $THERE $0; exit $0", "{}" });

  assert_true (task.launcher == null);
  task.launcher = launcher;
  assert_true (task.get_launcher () == launcher);
  assert_cmpstrv (launcher.get_argv (), { "env", "THERE=there" });
  assert_false (launcher.joins_arguments);
  assert_true (launcher.trusts_exit_status);
  assert_true (launcher.status == null);
  assert_cmpuint (launcher.n_slots, CompareOperator.EQ, 0);
  launcher.heartbeat_timeout = 5;
  assert_cmpfloat (launcher.get_heartbeat_timeout (), CompareOperator.EQ, 5);

  var runner = quiet_runner (task);
  put_all (runner, { "0", "0", "3" });
  assert_error (close_and_fail (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  assert_cmpstr (dup_output (runner.dup_steps ()[1]), CompareOperator.EQ, "there 0\n");
  assert_cmpint (runner.dup_failures ()[0].exit_status, CompareOperator.EQ, 3);
  assert_last ((owned) runner);
  assert_last ((owned) task);
  assert_last ((owned) launcher);
}

private void test_no_launcher () {
  var task = new CommandTask ({ "true" });

  task.launcher = new Launcher.prefix ({ "/no/such/launcher" });
  var runner = quiet_runner (task);
  try {
    runner.put (null);
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_error (close_and_fail (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);
  assert_error (runner.dup_failures ()[0].error, RunError.quark (), RunError.POOL_BROKEN);
  assert_last ((owned) runner);
}

private int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/vala/command/output", test_output);
  Test.add_func ("/vala/command/settings", test_settings);
  Test.add_func ("/vala/command/argv", test_argv);
  Test.add_func ("/vala/command/failures", test_failures);
  Test.add_func ("/vala/command/no-program", test_no_program);
  Test.add_func ("/vala/command/attempts", test_attempts);
  Test.add_func ("/vala/command/stop-sequence", test_stop_sequence);
  Test.add_func ("/vala/command/launcher", test_launcher);
  Test.add_func ("/vala/command/no-launcher", test_no_launcher);
  return Test.run ();
}
