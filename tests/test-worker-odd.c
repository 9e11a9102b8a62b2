/* test-worker-odd.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
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

/* All that is done until the program goes on comes to it at the same time. The signal alone does not stop it: its threads
 * run until one of them has taken it. */
static void
stop_runner (void)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", getppid ());
  gboolean stopped = FALSE;

  kill (getppid (), SIGSTOP);
  while (!stopped)
    {
      g_autofree char *status = NULL;

      g_usleep (5 * 1000);
      g_assert_true (g_file_get_contents (path, &status, NULL, NULL));
      stopped = strstr (status, ") T ") != NULL;
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
  g_usleep (5 * 1000);
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
      while (getppid () == worker)
        g_usleep (1000);
      g_usleep (50 * 1000);
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
be_worker (const char *mode)
{
  Odd odd = { .answers = g_byte_array_new () };
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
                guint       max_parallel)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  const char *argv[] = { self, "odd-worker", mode, NULL };
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
finish_well (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GError) error = NULL;

  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, &error);
  g_assert_no_error (error);
}

static void
test_late_report (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("late", 1);
  g_autoptr (GPtrArray) steps = put_many (runner, 500);

  g_test_summary ("A sign of life that is heard late is not taken for one of a step that has not begun");
  finish_well (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 500);
}

static void
test_exit_after_step (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("exit", 1);
  g_autoptr (GPtrArray) steps = put_many (runner, 10);

  g_test_summary ("A worker that is known to have ended gets no step, which would fail with it");
  finish_well (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 10);
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
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("unclaimed", 1);
  g_autoptr (GPtrArray) steps = put_many (runner, 20000);

  g_test_summary ("A worker that does what it has not claimed does not keep to the protocol");
  parallel_background_task_runner_set_halt_on_error (runner, TRUE);
  assert_failures (runner, "worker protocol");
}

/* The idle ones die, and what was meant for them is for one that is busy. */
static void
test_fewer_workers (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("well", 8);
  g_autoptr (GPtrArray) steps = put_many (runner, 5000);
  g_autoptr (GPtrArray) more = NULL;

  g_test_summary ("However few workers are left, none gets more than it can have");
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) == 5000);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  more = put_many (runner, 20000);
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) >= 6000);
  g_assert_cmpint (system ("kill -KILL $(pgrep -P $PPID -f 'odd-worker well' | head -n 7)"), ==, 0);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, NULL);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), >=, 25000 - 7);
}

static void
test_last_words (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("last-words", 1);
  g_autoptr (GPtrArray) first = put_many (runner, 1);
  g_autoptr (GPtrArray) second = NULL;

  g_test_summary ("What a worker prints between two steps is not lost if it dies of the second");
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) == 1);
  g_usleep (50 * 1000);
  second = put_many (runner, 1);
  assert_failures (runner, "exited with status 3");
  test_assert_output (g_ptr_array_index (second, 0), PARALLEL_OUTPUT_STREAM_STDOUT, "last words\n");
}

static void
test_no_mark (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = odd_runner_new ("no-mark", 2);
  g_autoptr (GPtrArray) steps = put_many (runner, 2);

  g_test_summary ("A step whose worker does not mark its end ends all the same");
  if (g_getenv ("PARALLEL_TEST_LONG") == NULL)
    {
      parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
      parallel_background_task_runner_wait (runner, NULL, NULL);
      g_test_skip ("This takes ten seconds");
      return;
    }
  assert_failures (runner, "mark");
}

int
main (int    argc,
      char **argv)
{
  if (argc == 3 && g_str_equal (argv[1], "odd-worker"))
    be_worker (argv[2]);

  test_init (&argc, &argv);
  test_add ("/worker-odd/late-report", test_late_report);
  test_add ("/worker-odd/exit-after-step", test_exit_after_step);
  test_add ("/worker-odd/unread-claims", test_unread_claims);
  test_add ("/worker-odd/fewer-workers", test_fewer_workers);
  test_add ("/worker-odd/last-words", test_last_words);
  test_add ("/worker-odd/no-mark", test_no_mark);

  return test_run ();
}
