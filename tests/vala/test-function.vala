/* test-function.vala: delegates as the work of steps; who holds and who frees what they hold.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

using Parallel;
using Support;

/* A closure that holds a token of its own, and nobody else does. */
private Parallel.Task multiply_task (int factor) {
  var token = new Token (factor);
  unowned Thread<void*> owner = Thread.self<void*> ();

  return new FunctionTask ((step, cancellable) => {
    assert_true (Thread.self<void*> () != owner);
    assert_nonnull (cancellable);
    step.set_result ((int) step.get_input () * token.number);
    return true;
  });
}

private void test_results () {
  var runner = quiet_runner (multiply_task (3));

  runner.max_parallel = 4;
  for (int i = 0; i < 20; i++)
    put_int (runner, i);
  close_and_wait (runner);
  assert_cmpstr (join_results (runner.dup_steps ()), CompareOperator.EQ,
                 "0 3 6 9 12 15 18 21 24 27 30 33 36 39 42 45 48 51 54 57");
  assert_cmpuint ((uint) runner.n_succeeded, CompareOperator.EQ, 20);
  assert_last ((owned) runner);
}

private void test_closure () {
  int n_freed = Token.get_n_freed ();
  int n_alive = Token.get_n_alive ();
  var task = multiply_task (2);
  var runner = quiet_runner (task);
  var other = quiet_runner (task);

  put_int (runner, 1);
  put_int (other, 2);
  close_and_wait (runner);
  assert_last ((owned) runner);
  close_and_wait (other);
  /* The task is still held here. */
  assert_cmpint (Token.get_n_alive (), CompareOperator.EQ, n_alive + 1);
  Token.freed_in = null;
  assert_last ((owned) other);
  assert_cmpint (Token.get_n_alive (), CompareOperator.EQ, n_alive + 1);
  assert_last ((owned) task);
  assert_cmpint (Token.get_n_alive (), CompareOperator.EQ, n_alive);
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 1);
  assert_true (Token.freed_in == Thread.self<void*> ());
}

private void test_unused () {
  int n_freed = Token.get_n_freed ();

  assert_last (multiply_task (1));
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 1);
  assert_last (new BackgroundTaskRunner (multiply_task (1)));
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 2);
  assert_last (new Step (multiply_task (1), null));
  assert_cmpint (Token.get_n_freed (), CompareOperator.EQ, n_freed + 3);
}

/* A method is a closure that holds its object. */
private class Adder : Object {
  public int sum = 0;
  public int n_exits = 0;

  public bool add (Step step, Cancellable? cancellable) throws Error {
    AtomicInt.add (ref sum, (int) step.input);
    return true;
  }

  public bool leave (Step step, Cancellable? cancellable) throws Error {
    AtomicInt.inc (ref n_exits);
    return true;
  }
}

private void test_method () {
  var adder = new Adder ();
  var runner = quiet_runner (new FunctionTask (adder.add));

  runner.set_onexit (adder.leave);
  for (int i = 1; i <= 10; i++)
    put_int (runner, i);
  assert_cmpuint (adder.ref_count, CompareOperator.EQ, 3);
  close_and_wait (runner);
  assert_cmpint (adder.sum, CompareOperator.EQ, 55);
  assert_cmpint (adder.n_exits, CompareOperator.EQ, 1);
  assert_last ((owned) runner);
  assert_cmpuint (adder.ref_count, CompareOperator.EQ, 1);
  assert_last ((owned) adder);
}

private bool fail_as_told (Step step, Cancellable? cancellable) throws Error {
  switch ((int) step.input) {
  case 1:
    throw new IOError.NOT_FOUND ("no %s", "bread");
  case 2:
    throw new RunError.FAILED ("of our domain");
  case 3:
    return false;
  }
  return true;
}

private void test_errors () {
  var runner = quiet_runner (new FunctionTask (fail_as_told));

  for (int i = 0; i < 4; i++)
    put_int (runner, i);
  assert_error (close_and_fail (runner), RunError.quark (), RunError.BACKGROUND_FAILURE);

  var failures = runner.dup_failures ();
  assert_cmpstr (join_inputs (failures), CompareOperator.EQ, "1 2 3");
  assert_true (failures[0].dup_error () is IOError.NOT_FOUND);
  assert_cmpstr (failures[0].dup_error ().message, CompareOperator.EQ, "no bread");
  assert_true (failures[1].error is RunError.FAILED);
  assert_cmpstr (failures[1].error.message, CompareOperator.EQ, "of our domain");
  assert_true (failures[2].error is RunError.FAILED);
  assert_true (failures[2].state == StepState.FAILED);
  assert_cmpuint ((uint) runner.n_failed, CompareOperator.EQ, 3);
  assert_last ((owned) runner);
  /* The steps are held by the array. */
  assert_cmpstr (join_inputs (failures), CompareOperator.EQ, "1 2 3");
}

/* Gives back the input that it was given, of whatever type. */
private bool echo (Step step, Cancellable? cancellable) throws Error {
  if (step.input != null)
    step.set_result (step.get_input ());
  return true;
}

private Step echo_step (BackgroundTaskRunner runner, owned Value? input) {
  var step = new Step (new FunctionTask (echo), input);

  put_step (runner, step);
  return step;
}

private void test_values () {
  var runner = quiet_runner (null);
  var token = new Token (5);
  string[] words = { "a", "b c" };
  var none = echo_step (runner, null);
  var text = echo_step (runner, "text");
  var fraction = echo_step (runner, 0.5);
  var large = echo_step (runner, int64.MAX);
  var mode = echo_step (runner, HaltMode.SOON);
  var variant = echo_step (runner, new Variant ("(si)", "x", 7));
  var object = echo_step (runner, token);
  var bytes = echo_step (runner, new Bytes ("bytes".data));
  var array = echo_step (runner, words);

  close_and_wait (runner);
  assert_true (none.get_result () == null);
  assert_true (none.input == null);
  assert_cmpstr ((string) text.get_result (), CompareOperator.EQ, "text");
  assert_cmpfloat ((double) fraction.get_result (), CompareOperator.EQ, 0.5);
  assert_true ((int64) large.get_result () == int64.MAX);
  assert_true (mode.get_result ().holds (typeof (HaltMode)));
  assert_true (mode.get_result ().get_enum () == HaltMode.SOON);
  /* Not get_variant (), which Vala 0.56 takes for the caller's. */
  assert_cmpvariant (variant.get_result ().dup_variant (), new Variant ("(si)", "x", 7));
  assert_true (object.get_result ().get_object () == token);
  assert_cmpstr (bytes_to_string ((Bytes) bytes.get_result ()), CompareOperator.EQ, "bytes");
  assert_cmpstrv ((string[]) array.get_result (), words);

  /* A copy is the caller's; what get_result() returns is the step's. */
  Value? copy = text.get_result ();
  assert_last ((owned) runner);
  assert_last ((owned) text);
  assert_last ((owned) object);
  assert_cmpstr ((string) copy, CompareOperator.EQ, "text");
  assert_last ((owned) token);
}

private void test_write () {
  var runner = quiet_runner (new FunctionTask ((step, cancellable) => {
    step.set_progress (0.25);
    step.set_status ("writing");
    step.heartbeat ();
    step.write_text ("out\n");
    return step.write (Parallel.OutputStream.STDERR, new Bytes ("err\n".data));
  }));
  var sink = new MemoryOutputStream.resizable ();
  var error_sink = new MemoryOutputStream.resizable ();

  runner.output_mode = OutputMode.ORDERED;
  runner.sink = sink;
  runner.error_sink = error_sink;
  put_int (runner, 0);
  close_and_wait (runner);
  var step = runner.dup_steps ()[0];
  assert_cmpstr (dup_output (step), CompareOperator.EQ, "out\n");
  assert_cmpstr (dup_output (step, Parallel.OutputStream.STDERR), CompareOperator.EQ, "err\n");
  assert_cmpstr (step.status, CompareOperator.EQ, "writing");
  assert_cmpstr (step.last_line, CompareOperator.EQ, "err");
  assert_last ((owned) runner);
  assert_cmpstr (written (sink), CompareOperator.EQ, "out\n");
  assert_cmpstr (written (error_sink), CompareOperator.EQ, "err\n");
}

private int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/vala/function/results", test_results);
  Test.add_func ("/vala/function/closure", test_closure);
  Test.add_func ("/vala/function/unused", test_unused);
  Test.add_func ("/vala/function/method", test_method);
  Test.add_func ("/vala/function/errors", test_errors);
  Test.add_func ("/vala/function/values", test_values);
  Test.add_func ("/vala/function/write", test_write);
  return Test.run ();
}
