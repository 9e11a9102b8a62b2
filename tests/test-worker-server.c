/* test-worker-server.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <parallel-glib/parallel.h>
#include <signal.h>
#include <string.h>
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

  return test_run ();
}
