/* test-worker-server.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <parallel-glib/parallel.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-support.h"

/* A server that was forked off this process and makes no worker. @ends: with its socket, as it should. */
static ParallelWorkerServer *
fork_server (gboolean  ends,
             int      *pid)
{
  int fds[2];
  char byte;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
  *pid = fork ();
  g_assert_cmpint (*pid, >=, 0);
  if (*pid == 0)
    {
      setpgid (0, 0);
      close (fds[0]);
      while (!ends || read (fds[1], &byte, 1) > 0)
        if (!ends)
          pause ();
      _exit (0);
    }

  close (fds[1]);
  return parallel_worker_server_new_for_fd (fds[0], *pid);
}

static void
assert_waited_for (int pid)
{
  g_assert_cmpint (waitpid (pid, NULL, WNOHANG), ==, -1);
  g_assert_cmpint (errno, ==, ECHILD);
}

static void
test_stop (void)
{
  int pid;
  g_autoptr (ParallelWorkerServer) server = fork_server (TRUE, &pid);

  g_test_summary ("After stop() its process is gone and has been waited for, also if no worker was ever made");
  parallel_worker_server_stop (server);
  assert_waited_for (pid);

  /* Once more does nothing. */
  parallel_worker_server_stop (server);
}

static void
test_stop_stubborn (void)
{
  int pid;
  g_autoptr (ParallelWorkerServer) server = fork_server (FALSE, &pid);

  g_test_summary ("A server that does not look at its socket is stopped all the same");
  parallel_worker_server_stop (server);
  assert_waited_for (pid);
}

static gpointer
stop_thread (gpointer data)
{
  parallel_worker_server_stop (data);
  return NULL;
}

static void
test_stop_in_threads (void)
{
  GThread *threads[4];
  int pid;
  g_autoptr (ParallelWorkerServer) server = fork_server (FALSE, &pid);

  g_test_summary ("Each of several that stop the same server waits until it is gone");
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("stop", stop_thread, server);
  parallel_worker_server_stop (server);
  assert_waited_for (pid);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
test_never_started (void)
{
  const char * const argv[] = { "/nonexistent/server", NULL };
  g_autoptr (ParallelWorkerServer) server = parallel_worker_server_new (argv, NULL);

  g_test_summary ("stop() of one that was not needed yet does nothing");
  parallel_worker_server_stop (server);
}

static void
test_forgotten (void)
{
  int pid;

  g_test_summary ("One that nothing refers to is waited for, also if no worker was ever made");
  g_object_unref (fork_server (TRUE, &pid));
  test_wait_until (test_count_children () == 0);
  assert_waited_for (pid);
}

static void
test_in_a_fork (void)
{
  int pid, child, status;
  g_autoptr (ParallelWorkerServer) server = fork_server (TRUE, &pid);

  g_test_summary ("stop() in a process that was forked leaves the server to its owner");
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      parallel_worker_server_stop (server);
      /* Not exit(): a leak checker would look for what the threads of the parent have. */
      raise (SIGKILL);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, SIGKILL);
  g_assert_cmpint (waitpid (pid, NULL, WNOHANG), ==, 0);

  parallel_worker_server_stop (server);
  assert_waited_for (pid);
}

static void
test_dies_at_once (void)
{
  const char * const argv[] = { "/bin/sh", "-c", "echo not today; exit 3", NULL };
  g_autoptr (ParallelWorkerServer) server = parallel_worker_server_new (argv, NULL);
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A server that dies before it has made a worker is started again, and in the end given up");
  runner = parallel_background_task_runner_new (parallel_worker_task_new_for_server (server));
  parallel_background_task_runner_set_max_parallel (runner, 2);
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (ParallelStep) step = parallel_step_new (g_object_ref (parallel_background_task_runner_get_task (runner)), NULL);

      test_put_step (runner, step);
    }
  parallel_background_task_runner_close (runner);

  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 4);
  g_assert_nonnull (strstr (error->message, "not today"));
}

static ParallelBackgroundTaskRunner *
runner_new (ParallelWorkerServer  *server,
            double                 start_timeout,
            ParallelStep         **step)
{
  ParallelTask *task = parallel_worker_task_new_for_server (server);
  ParallelBackgroundTaskRunner *runner;

  parallel_worker_task_set_start_timeout (PARALLEL_WORKER_TASK (task), start_timeout);
  runner = parallel_background_task_runner_new (g_object_ref (task));
  parallel_background_task_runner_set_max_parallel (runner, 1);
  *step = parallel_step_new (task, NULL);
  test_put_step (runner, *step);

  return runner;
}

/* One that never does what it is for. It has to be stopped, since else it has ten seconds to end by itself. */
static ParallelWorkerServer *
hung_server_new (void)
{
  const char * const argv[] = { "/bin/sleep", "1000", NULL };

  return parallel_worker_server_new (argv, NULL);
}

static void
test_hung (void)
{
  g_autoptr (ParallelWorkerServer) server = hung_server_new ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelBackgroundTaskRunner) runner = runner_new (server, 0.2, &step);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) failure = NULL;

  g_test_summary ("A server that hangs is not waited for longer than the start timeout");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  failure = parallel_step_dup_error (step);
  g_assert_error (failure, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN);
  g_assert_nonnull (strstr (failure->message, "the task’s start timeout (its server has not made it)"));
  parallel_worker_server_stop (server);
}

static void
test_hung_halt (void)
{
  g_autoptr (ParallelWorkerServer) server = hung_server_new ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelBackgroundTaskRunner) runner = runner_new (server, 0, &step);

  g_test_summary ("A server that hangs does not keep a run that was halted");
  test_wait_until (test_count_children () == 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SKIPPED);
  parallel_worker_server_stop (server);
}

static void
test_hung_forgotten (void)
{
  ParallelWorkerServer *server = hung_server_new ();
  ParallelStep *step;
  ParallelBackgroundTaskRunner *runner = runner_new (server, 0, &step);

  g_test_summary ("One that hangs and that nobody has any more is killed");
  test_wait_until (test_count_children () == 1);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_object_unref (step);
  g_object_unref (runner);
  g_object_unref (server);
  test_wait_until (test_count_children () == 0);
}

/* READY, in the version 1, of a worker that takes no more than its standard descriptors. */
static const char ready[] = { 12, 0, 0, 0, 'A', 1, 0, 0, 0, 1, 0, 0, 0, 0, 'h', 'i' };

/* What is sent in one packet with three descriptors. */
static void
receive_order (int socket,
               int fds[3])
{
  char packet[256];
  char control[CMSG_SPACE (3 * sizeof (int))];
  struct iovec part = { packet, sizeof packet };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };

  if (recvmsg (socket, &message, 0) <= 0 || CMSG_FIRSTHDR (&message) == NULL)
    _exit (1);
  memcpy (fds, CMSG_DATA (CMSG_FIRSTHDR (&message)), 3 * sizeof (int));
}

/* Its worker is heard of before the server tells of it. */
static void
serve_late (int socket)
{
  guint8 started[9] = { 'S', 1, 0, 0, 0 };
  int fds[3];
  int size = 1;
  int pid;

  receive_order (socket, fds);
  if (write (fds[1], ready, sizeof ready) != sizeof ready)
    _exit (1);
  while (size > 0 && ioctl (fds[1], FIONREAD, &size) == 0)
    g_usleep (1000);

  pid = fork ();
  if (pid == 0)
    {
      setpgid (0, 0);
      for (;;)
        pause ();
    }
  setpgid (pid, 0);
  memcpy (started + 5, &pid, sizeof pid);
  if (send (socket, started, sizeof started, 0) < 0)
    _exit (1);
  for (;;)
    pause ();
}

static gboolean
is_with_a_worker (ParallelBackgroundTaskRunner *runner)
{
  g_autofree char *state = parallel_background_task_runner_dump (runner);

  return strstr (state, "worker pid ") != NULL;
}

static void
test_late (void)
{
  int fds[2];
  int pid;
  g_autoptr (ParallelWorkerServer) server = NULL;
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;

  g_test_summary ("A worker that is ready before its server has said who it is gets its first step when that is known");
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      setpgid (0, 0);
      close (fds[0]);
      serve_late (fds[1]);
    }
  close (fds[1]);

  server = parallel_worker_server_new_for_fd (fds[0], pid);
  runner = runner_new (server, 0, &step);
  test_wait_until (is_with_a_worker (runner));
  parallel_worker_server_stop (server);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/worker-server/stop", test_stop);
  test_add ("/worker-server/stop/stubborn", test_stop_stubborn);
  test_add ("/worker-server/stop/in-threads", test_stop_in_threads);
  test_add ("/worker-server/stop/never-started", test_never_started);
  test_add ("/worker-server/stop/in-a-fork", test_in_a_fork);
  test_add ("/worker-server/dies-at-once", test_dies_at_once);
  test_add ("/worker-server/forgotten", test_forgotten);
  test_add ("/worker-server/hung", test_hung);
  test_add ("/worker-server/hung/halt", test_hung_halt);
  test_add ("/worker-server/hung/forgotten", test_hung_forgotten);
  test_add ("/worker-server/late", test_late);

  return test_run ();
}
