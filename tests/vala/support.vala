/* support.vala: what the tests in Vala share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

namespace Support {

  /* Something for a closure to hold: there are as many as are still held. */
  public class Token : Object {
    private static int n_alive = 0;
    private static int n_freed = 0;

    /* The thread in which the last one was freed. Guarded by what orders the test: the end of the run. */
    public static unowned Thread<void*>? freed_in = null;

    public int number { get; construct; }

    public Token (int number) {
      Object (number: number);
      AtomicInt.inc (ref n_alive);
    }

    ~Token () {
      freed_in = Thread.self<void*> ();
      AtomicInt.add (ref n_alive, -1);
      AtomicInt.inc (ref n_freed);
    }

    public static int get_n_alive () {
      return AtomicInt.get (ref n_alive);
    }

    public static int get_n_freed () {
      return AtomicInt.get (ref n_freed);
    }
  }

  /* Takes the last reference to something, and nobody may have another. */
  public void assert_last (owned Object object) {
    var watch = WeakRef (object);

    object = null;
    assert_null (watch.get ());
  }

  /* A runner that keeps its steps and prints nowhere, with one step at a time in turn. */
  public Parallel.BackgroundTaskRunner quiet_runner (owned Parallel.Task? task) {
    var runner = new Parallel.BackgroundTaskRunner ((owned) task);

    runner.keep_steps = Parallel.KeepSteps.ALL;
    runner.output_mode = Parallel.OutputMode.NONE;
    runner.max_parallel = 1;
    return runner;
  }

  /* To be called for a run that ends well. */
  public void close_and_wait (Parallel.BackgroundTaskRunner runner) {
    try {
      runner.close ();
      assert_true (runner.wait ());
    } catch (Error error) {
      assert_no_error (error);
    }
  }

  /* The error of a run that does not. */
  public Error close_and_fail (Parallel.BackgroundTaskRunner runner) {
    try {
      runner.close ();
      runner.wait ();
    } catch (Error error) {
      return error;
    }
    assert_not_reached ();
  }

  public void put_int (Parallel.BackgroundTaskRunner runner, int number) {
    try {
      assert_true (runner.put (number));
    } catch (Error error) {
      assert_no_error (error);
    }
  }

  public void put_step (Parallel.BackgroundTaskRunner runner, Parallel.Step step) {
    try {
      assert_true (runner.put_step (step));
    } catch (Error error) {
      assert_no_error (error);
    }
  }

  /* "0 1 2": what steps have as their results, or the inputs. */
  public string join_results (GenericArray<Parallel.Step> steps) {
    string[] results = {};

    foreach (var step in steps)
      results += ((int) step.get_result ()).to_string ();
    return string.joinv (" ", results);
  }

  public string join_inputs (GenericArray<Parallel.Step> steps) {
    string[] inputs = {};

    foreach (var step in steps)
      inputs += step.dup_input_text ();
    return string.joinv (" ", inputs);
  }

  public string bytes_to_string (Bytes? bytes) {
    if (bytes == null)
      return "(null)";
    return bytes.get_size () == 0 ? "" : ((string) bytes.get_data ()).substring (0, (long) bytes.get_size ());
  }

  public string dup_output (Parallel.Step step, Parallel.OutputStream stream = Parallel.OutputStream.STDOUT) {
    try {
      return bytes_to_string (step.dup_output (stream));
    } catch (Error error) {
      assert_no_error (error);
      return "";
    }
  }

  /* What has been written to a stream, which is closed by it. */
  public string written (MemoryOutputStream stream) {
    try {
      stream.close ();
    } catch (Error error) {
      assert_no_error (error);
    }
    return bytes_to_string (stream.steal_as_bytes ());
  }

  /* For a function step: returns when it is told to stop. */
  public void await_cancelled (Cancellable cancellable) {
    Posix.pollfd[] fds = { Posix.pollfd () };

    fds[0].fd = cancellable.get_fd ();
    fds[0].events = Posix.POLLIN;
    while (!cancellable.is_cancelled ())
      Posix.poll (fds, -1);
    cancellable.release_fd ();
  }
}
