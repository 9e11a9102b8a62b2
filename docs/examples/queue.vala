/* queue.vala: a queue that is fed while it is worked off, in a main loop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Called in a worker thread. */
bool checksum_file (Parallel.Step step, Cancellable? cancellable) throws Error {
  unowned string path = step.input.get_string ();
  Bytes bytes = File.new_for_path (path).load_bytes (cancellable);

  step.set_result (Checksum.compute_for_bytes (ChecksumType.SHA256, bytes));
  return true;
}

async int run (string[] paths) {
  var runner = new Parallel.BackgroundTaskRunner (new Parallel.FunctionTask (checksum_file));

  runner.step_finished.connect (step => {
    if (step.state == Parallel.StepState.SUCCEEDED)
      print ("%s  %s\n", step.get_result ().get_string (), step.dup_name ());
  });

  try {
    foreach (unowned string path in paths)
      yield runner.put_async (path);
    runner.close ();
    yield runner.wait_async ();
  } catch (Parallel.RunError.BACKGROUND_FAILURE error) {
    printerr ("%s\n", error.message);
    return 1;
  } catch (Error error) {
    printerr ("The run has ended early: %s\n", error.message);
    return 2;
  }

  return 0;
}

int main (string[] args) {
  var loop = new MainLoop ();
  int status = 0;

  run.begin (args[1 : args.length], (source, result) => {
    status = run.end (result);
    loop.quit ();
  });
  loop.run ();

  return status;
}
