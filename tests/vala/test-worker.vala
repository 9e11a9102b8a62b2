/* test-worker.vala: this program is its own worker.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

using Parallel;
using Support;

/* In the worker. */
private class Server : Object {
  private string path = "";
  private int n_steps = 0;

  public Variant? set_up (Worker worker, Variant input) throws Error {
    path = input.get_string ();
    return input;
  }

  public Variant? do_step (Worker worker, Variant input) throws Error {
    int64 number = input.get_int64 ();

    n_steps++;
    worker.heartbeat ();
    worker.report (0.5, "half of %lld".printf (number));
    stdout.printf ("printed by %lld\n", number);
    if (number == 13)
      Process.abort ();
    if (number < 0)
      throw new IOError.NOT_FOUND ("no root of %lld", number);
    return new Variant ("(xs)", number * number, path);
  }

  public bool leave (Worker worker) throws Error {
    return FileUtils.set_contents (path, "%d steps\n".printf (n_steps));
  }
}

private int work () {
  var worker = new Worker ();
  var server = new Server ();

  worker.set_setup (server.set_up);
  worker.set_onexit (server.leave);
  try {
    return worker.run (server.do_step) ? 0 : 1;
  } catch (Error error) {
    stderr.printf ("%s\n", error.message);
    return 1;
  }
}

/* In the test. */
private WorkerTask worker_task () {
  try {
    return new WorkerTask ({ FileUtils.read_link ("/proc/self/exe"), "--parallel-worker" });
  } catch (Error error) {
    assert_no_error (error);
    assert_not_reached ();
  }
}

private void put_numbers (BackgroundTaskRunner runner, int64[] numbers) {
  try {
    foreach (int64 number in numbers)
      assert_true (runner.put (new Variant.int64 (number)));
  } catch (Error error) {
    assert_no_error (error);
  }
}

private void test_results () {
  string path = Path.build_filename (Environment.get_tmp_dir (), "vala-worker-%d".printf ((int) Posix.getpid ()));
  var task = worker_task ();
  var runner = quiet_runner (task);
  string written = "";

  task.has_onexit = true;
  task.set_setup_variant (new Variant.string (path));
  put_numbers (runner, { 3, 0, int32.MAX });
  close_and_wait (runner);
  var steps = runner.dup_steps ();
  foreach (int64 number in new int64[] { 3, 0, int32.MAX })
    assert_cmpvariant (steps[number == 3 ? 0 : number == 0 ? 1 : 2].get_result ().dup_variant (),
                       new Variant ("(xs)", number * number, path));
  assert_cmpstr (dup_output (steps[0]), CompareOperator.EQ, "printed by 3\n");
  assert_cmpstr (steps[1].status, CompareOperator.EQ, "half of 0");
  try {
    FileUtils.get_contents (path, out written);
  } catch (Error error) {
    assert_no_error (error);
  }
  FileUtils.unlink (path);
  assert_cmpstr (written, CompareOperator.EQ, "3 steps\n");
  assert_last ((owned) runner);
  steps = null;
  assert_last ((owned) task);
}

private void test_errors () {
  var runner = quiet_runner (worker_task ());

  put_numbers (runner, { 2, -2, 13, 4 });
  try {
    runner.close ();
    runner.wait ();
    assert_not_reached ();
  } catch (RunError.BACKGROUND_FAILURE error) {
    assert_true (error.message.has_prefix ("2 of 4 steps failed"));
  } catch (Error error) {
    assert_no_error (error);
  }
  var failures = runner.dup_failures ();
  assert_error (failures[0].error, IOError.quark (), IOError.NOT_FOUND);
  assert_cmpstr (failures[0].error.message, CompareOperator.EQ, "no root of -2");
  assert_error (failures[1].error, RunError.quark (), RunError.UNEXPECTED_EXIT);
  assert_cmpint (failures[1].term_signal, CompareOperator.EQ, Posix.Signal.ABRT);
  assert_cmpstr (dup_output (failures[1]), CompareOperator.EQ, "printed by 13\n");
  assert_cmpvariant (runner.dup_steps ()[3].get_result ().dup_variant (), new Variant ("(xs)", 16, ""));
  assert_last ((owned) runner);
}

/* In the order in which they finish, which two workers leave open. */
private async int64 sum_squares (BackgroundTaskRunner runner) throws Error {
  int64 sum = 0;
  Step? step;

  while ((step = yield runner.next_async ()) != null) {
    int64 number = step.input.dup_variant ().get_int64 ();
    int64 square;
    string path;

    step.get_result ().dup_variant ().get ("(xs)", out square, out path);
    assert_true (square == number * number);
    sum += square;
  }
  assert_true (yield runner.wait_async ());
  return sum;
}

private void test_many () {
  var runner = quiet_runner (worker_task ());
  var loop = new MainLoop ();
  int64 sum = -1;

  runner.max_parallel = 2;
  runner.keep_steps = KeepSteps.UNTIL_TAKEN;
  for (int64 i = 0; i < 13; i++)
    put_numbers (runner, { i });
  runner.close ();
  sum_squares.begin (runner, (source, result) => {
    try {
      sum = sum_squares.end (result);
    } catch (Error error) {
      assert_no_error (error);
    }
    loop.quit ();
  });
  loop.run ();
  assert_true (sum == 650);
  assert_cmpuint (runner.get_n_items (), CompareOperator.EQ, 0);
  assert_last ((owned) runner);
}

private void test_wrong_input () {
  var runner = quiet_runner (worker_task ());

  try {
    runner.put (3);
    assert_not_reached ();
  } catch (IOError.INVALID_ARGUMENT error) {
    assert_true (error.message.contains ("gint"));
  } catch (Error error) {
    assert_no_error (error);
  }
  assert_last ((owned) runner);
}

private void test_properties () {
  var task = worker_task ();

  assert_true (task.server == null);
  assert_true (task.setup == null);
  task.setup = new Bytes ("setup".data);
  task.encoding = Encoding.BYTES;
  task.max_steps_per_worker = 5;
  assert_cmpstr (bytes_to_string (task.setup), CompareOperator.EQ, "setup");
  assert_true (task.encoding == Encoding.BYTES);
  assert_cmpuint (task.max_steps_per_worker, CompareOperator.EQ, 5);
  assert_cmpstr (task.argv[1], CompareOperator.EQ, "--parallel-worker");
  assert_false (Worker.is_wanted ({ "program" }));
  assert_true (Worker.is_wanted ({ "program", "--parallel-worker" }));
  assert_last ((owned) task);
}

private int main (string[] args) {
  if (Worker.is_wanted (args))
    return work ();
  Test.init (ref args);
  Test.add_func ("/vala/worker/results", test_results);
  Test.add_func ("/vala/worker/errors", test_errors);
  Test.add_func ("/vala/worker/many", test_many);
  Test.add_func ("/vala/worker/wrong-input", test_wrong_input);
  Test.add_func ("/vala/worker/properties", test_properties);
  return Test.run ();
}
