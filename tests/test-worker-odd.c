/* test-worker-odd.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parallel-worker-channel.h"
#include "test-support.h"

/* Workers that keep to the protocol in ways in which ours never would, or nearly keep to it. This program is its own
 * worker; which one, its second argument says. */

/* ---- in the worker ---- */

typedef struct
{
  ParallelWorkerChannel channel;
  GByteArray           *answers;    /* not written yet */
  gboolean              done;       /* what is odd was done once */
  const char           *path;       /* where to leave word of it, or NULL */
} Odd;

static void
put_mark (Odd     *odd,
          guint64  serial)
{
  g_autoptr (GByteArray) mark = g_byte_array_new ();

  parallel_frame_put_mark (mark, odd->channel.token, serial);
  g_assert_cmpint (write (odd->channel.stream_fd, mark->data, mark->len), ==, mark->len);
}

static void
put_result (Odd     *odd,
            guint64  serial)
{
  const ParallelOutcome done = { PARALLEL_OUTCOME_DONE };

  parallel_frame_put_result (odd->answers, serial, &done);
}

static void
say (Odd *odd)
{
  struct iovec part = { odd->answers->data, odd->answers->len };

  if (!parallel_worker_channel_write (&odd->channel, FALSE, 0, &part, 1, NULL))
    _exit (1);
  g_byte_array_set_size (odd->answers, 0);
}

static void
answer (Odd     *odd,
        guint64  serial)
{
  put_mark (odd, serial);
  put_result (odd, serial);
  say (odd);
}

static gboolean
is_in_state (const char *path,
             char        state)
{
  const char wanted[] = { ')', ' ', state, ' ', '\0' };
  g_autofree char *status = NULL;

  /* A thread may have ended. */
  return !g_file_get_contents (path, &status, NULL, NULL) || strstr (status, wanted) != NULL;
}

/* @state: a letter of proc(5); of all threads of the process. */
static void
await_state (int  pid,
             char state)
{
  g_autofree char *folder = g_strdup_printf ("/proc/%d/task", pid);
  gboolean reached = FALSE;

  while (!reached)
    {
      g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
      const char *name;

      g_assert_nonnull (dir);
      reached = TRUE;
      while ((name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *path = g_build_filename (folder, name, "stat", NULL);

          reached = reached && is_in_state (path, state);
        }
      if (!reached)
        g_usleep (1000);
    }
}

/* All that is done until the program goes on comes to it at the same time. The signal alone does not stop it: its threads
 * run until each of them has taken note of it. */
static void
stop_runner (void)
{
  kill (getppid (), SIGSTOP);
  await_state (getppid (), 'T');
}

/* Until the program has read all that was printed. */
static void
await_read (Odd *odd)
{
  int size = 1;

  while (size > 0)
    {
      g_assert_cmpint (ioctl (odd->channel.stream_fd, FIONREAD, &size), ==, 0);
      if (size > 0)
        g_usleep (1000);
    }
}

static gboolean
claim (Odd                        *odd,
       const ParallelFrameRequest *request)
{
  gboolean claimed = TRUE;

  if ((request->flags & PARALLEL_FRAME_CLAIMED) != 0)
    g_assert_true (parallel_worker_channel_claim (&odd->channel, request->serial, &claimed, NULL));
  return claimed;
}

static guint
parse (GBytes               *payload,
       ParallelFrameRequest *requests,
       guint                 size)
{
  gsize offset = 0;
  guint n = 0;

  while (n < size && parallel_frame_next_request (payload, &offset, &requests[n], NULL))
    n++;
  return n;
}

/* The first step's mark is seen before its last sign of life, and with that come the end of it and all of the
 * second step. */
static void
report_late (Odd                        *odd,
             const ParallelFrameRequest *requests)
{
  put_mark (odd, requests[0].serial);
  await_read (odd);
  stop_runner ();
  parallel_frame_put_alive (odd->answers, 0.5, "late");
  put_result (odd, requests[0].serial);
  put_mark (odd, requests[1].serial);
  put_result (odd, requests[1].serial);
  say (odd);
  kill (getppid (), SIGCONT);
}

/* Ends so that the program learns of the result and of the end at the same time. */
static void
answer_and_exit (Odd     *odd,
                 guint64  serial)
{
  int runner = getppid ();
  int worker = getpid ();

  if (fork () == 0)
    {
      /* Or the program would not see that the worker has hung up. */
      g_assert_cmpint (close_range (0, ~0U, 0), ==, 0);
      await_state (worker, 'Z');
      kill (runner, SIGCONT);
      _exit (0);
    }
  stop_runner ();
  answer (odd, serial);
  _exit (0);
}

static void
do_requests (Odd        *odd,
             const char *mode,
             GBytes     *payload)
{
  ParallelFrameRequest requests[256];
  guint n = parse (payload, requests, G_N_ELEMENTS (requests));
  guint i = 0;

  if (g_str_equal (mode, "late") && n >= 2 && !odd->done && claim (odd, &requests[0]) && claim (odd, &requests[1]))
    {
      odd->done = TRUE;
      report_late (odd, requests);
      i = 2;
    }
  for (; i < n; i++)
    {
      if (g_str_equal (mode, "unclaimed"))
        answer (odd, requests[i].serial);
      else if (!claim (odd, &requests[i]))
        continue;
      else if (g_str_equal (mode, "exit"))
        answer_and_exit (odd, requests[i].serial);
      else if (g_str_equal (mode, "last-words") && requests[i].serial > 1)
        _exit (3);
      else if (g_str_equal (mode, "last-words"))
        {
          answer (odd, requests[i].serial);
          g_assert_cmpint (write (odd->channel.stream_fd, "last words\n", 11), ==, 11);
          await_read (odd);
          g_assert_true (g_file_set_contents (odd->path, "1\n", -1, NULL));
        }
      else if (g_str_equal (mode, "no-mark"))
        {
          put_result (odd, requests[i].serial);
          say (odd);
        }
      else
        answer (odd, requests[i].serial);
    }
}

static void
be_worker (const char *mode,
           const char *path)
{
  Odd odd = { .answers = g_byte_array_new (), .path = path };
  g_autoptr (GError) error = NULL;

  g_assert_true (parallel_worker_channel_open (&odd.channel, &error));
  g_assert_true (parallel_worker_channel_greet (&odd.channel, &error));
  while (TRUE)
    {
      guint kind;
      g_autoptr (GBytes) payload = parallel_worker_channel_read (&odd.channel, &kind, &error);

      if (payload == NULL || kind == PARALLEL_FRAME_LEAVE)
        _exit (0);
      if (kind == PARALLEL_FRAME_RUN)
        do_requests (&odd, mode, payload);
    }
}

/* ---- in the test ---- */

static ParallelBackgroundTaskRunner *
odd_runner_new (const char *mode,
                const char *path,
                guint       max_parallel)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  const char *argv[] = { self, "odd-worker", mode, path, NULL };
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (parallel_worker_task_new (argv));

  parallel_background_task_runner_set_max_parallel (runner, max_parallel);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  return runner;
}

static GPtrArray *
put_many (ParallelBackgroundTaskRunner *runner,
          guint                         n_steps)
{
  GPtrArray *steps = test_steps_new ();

  for (guint i = 0; i < n_steps; i++)
    {
      ParallelStep *step = parallel_step_new (g_object_ref (parallel_background_task_runner_get_task (runner)), NULL);

      test_put_step (runner, step);
      g_ptr_array_add (steps, step);
    }
  return steps;
}

static void
assert_all_succeed (const char *mode,
                    guint       n_steps)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new (mode, NULL, 1);
  g_autoptr (GPtrArray) steps = put_many (runner, n_steps);
  g_autoptr (GError) error = NULL;

  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, n_steps);
}

static void
test_late_report (void)
{
  g_test_summary ("A sign of life that is heard late is not taken for one of a step that has not begun");
  assert_all_succeed ("late", 500);
}

static void
test_exit_after_step (void)
{
  g_test_summary ("A worker that is known to have ended gets no step, which would fail with it");
  assert_all_succeed ("exit", 10);
}

static void
assert_failures (ParallelBackgroundTaskRunner *runner,
                 const char                   *text)
{
  g_autoptr (GPtrArray) failures = NULL;

  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  failures = parallel_background_task_runner_dup_failures (runner);
  g_assert_cmpuint (failures->len, >, 0);
  for (guint i = 0; i < failures->len; i++)
    {
      g_autoptr (GError) error = parallel_step_dup_error (g_ptr_array_index (failures, i));

      g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
      if (strstr (error->message, text) == NULL)
        g_error ("“%s” is not in “%s”", text, error->message);
    }
}

static void
test_unread_claims (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("unclaimed", NULL, 1);
  g_autoptr (GPtrArray) steps = put_many (runner, 20000);

  g_test_summary ("A worker that does what it has not claimed does not keep to the protocol");
  parallel_background_task_runner_set_halt_on_error (runner, TRUE);
  assert_failures (runner, "worker protocol");
}

static void
kill_workers (guint n)
{
  g_autoptr (GArray) children = test_list_children ();

  for (guint i = 0; i < children->len && n > 0; i++)
    {
      int pid = g_array_index (children, int, i);
      g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", pid);
      g_autofree char *command = NULL;
      gsize size = 0;

      if (g_file_get_contents (path, &command, &size, NULL) && memmem (command, size, "odd-worker", 10) != NULL)
        {
          kill (pid, SIGKILL);
          n--;
        }
    }
  g_assert_cmpuint (n, ==, 0);
}

/* The idle ones die, and what was meant for them is for one that is busy. */
static void
test_fewer_workers (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("well", NULL, 8);
  g_autoptr (GPtrArray) steps = put_many (runner, 5000);
  g_autoptr (GPtrArray) more = NULL;

  g_test_summary ("However few workers are left, none gets more than it can have");
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) == 5000);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  more = put_many (runner, 20000);
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) >= 6000);
  kill_workers (7);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, NULL);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), >=, 25000 - 7);
}

static void
test_last_words (void)
{
  g_autofree char *path = test_path ("said");
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("last-words", path, 1);
  g_autoptr (GPtrArray) first = put_many (runner, 1);
  g_autoptr (GPtrArray) second = NULL;

  g_test_summary ("What a worker prints between two steps is not lost if it dies of the second");
  test_await_number (path);
  second = put_many (runner, 1);
  assert_failures (runner, "exited with status 3");
  test_assert_output (g_ptr_array_index (second, 0), PARALLEL_OUTPUT_STREAM_STDOUT, "last words\n");
}

static void
test_no_mark (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;
  g_autoptr (GPtrArray) steps = NULL;

  g_test_summary ("A step whose worker does not mark its end ends all the same");
  if (g_getenv ("PARALLEL_TEST_LONG") == NULL)
    {
      g_test_skip ("It takes ten seconds; the setup stress has it, or PARALLEL_TEST_LONG=1");
      return;
    }
  runner = odd_runner_new ("no-mark", NULL, 2);
  steps = put_many (runner, 2);
  assert_failures (runner, "mark");
}

int
main (int    argc,
      char **argv)
{
  if (argc >= 3 && g_str_equal (argv[1], "odd-worker"))
    be_worker (argv[2], argv[3]);

  test_init (&argc, &argv);
  test_add ("/worker-odd/late-report", test_late_report);
  test_add ("/worker-odd/exit-after-step", test_exit_after_step);
  test_add ("/worker-odd/unread-claims", test_unread_claims);
  test_add ("/worker-odd/fewer-workers", test_fewer_workers);
  test_add ("/worker-odd/last-words", test_last_words);
  test_add ("/worker-odd/no-mark", test_no_mark);

  return test_run ();
}
