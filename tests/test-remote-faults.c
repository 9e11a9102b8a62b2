/* test-remote-faults.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote-support.h"

/* Launchers that are odd or of no use, and what is lost on the way. */

static void
assert_prints (ParallelStep *step,
               const char   *expected)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);

  g_assert_no_error (error);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, expected);
}

static ParallelStep *
run_by (ParallelLauncher *launcher,
        const char       *line)
{
  return remote_run (remote_set (parallel_command_task_new_shell (line), launcher), NULL);
}

/* ---- launchers ---- */

static void
test_talkative (void)
{
  g_autoptr (ParallelStep) one =
    run_by (remote_launcher_new ("sh", "-c", "echo Welcome; exec \"$@\"", "sh", NULL), "echo out; exit 3");
  g_autoptr (ParallelStep) two =
    run_by (remote_launcher_new ("sh", "-c", "printf Welcome; echo Motto >&2; exec \"$@\"", "sh", NULL), "echo out");
  g_autoptr (ParallelStep) after =
    run_by (remote_launcher_new ("sh", "-c", "\"$@\"; echo Goodbye; exit 5", "sh", NULL), "echo out");

  g_test_summary ("A launcher may say something in front of the agent, and behind it");
  test_assert_step_error (one, G_SPAWN_EXIT_ERROR, 3);
  test_assert_output (one, PARALLEL_OUTPUT_STREAM_STDOUT, "out\n");
  assert_prints (two, "out\n");
  assert_prints (after, "out\n");
}

static void
test_joins (void)
{
  ParallelLauncher *launcher = remote_launcher_new ("sh", "-c", "exec sh -c \"$*\"", "sh", NULL);

  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("A launcher that joins its arguments for a shell");
  parallel_launcher_set_joins_arguments (launcher, TRUE);
  step = run_by (launcher, "printf '<%s>' 'a b' \"\\$c\" {}");
  assert_prints (step, "<a b><$c><{}>");
}

static void
test_descriptors (void)
{
  g_autofree char *path = test_path ("descriptors");
  g_autofree char *script = g_strdup_printf ("ls -l /proc/$$/fd > '%s'; exec \"$@\"", path);
  g_autoptr (ParallelStep) step = run_by (remote_launcher_new ("sh", "-c", script, "sh", NULL), "echo out");
  g_autofree char *text = test_read_file (path);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = 0;

  g_test_summary ("A launcher has its three streams and nothing else");
  assert_prints (step, "out\n");
  for (guint i = 0; lines[i] != NULL; i++)
    if (strstr (lines[i], "->") != NULL && strstr (lines[i], "/descriptors") == NULL)
      n++;
  g_assert_cmpuint (n, ==, 3);
}

static void
assert_broken (ParallelLauncher *launcher,
               const char       *pattern)
{
  g_autoptr (ParallelStep) step = run_by (launcher, "echo out");

  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN);
  remote_assert_matches (step, pattern);
}

static void
test_useless (void)
{
  g_test_summary ("A launcher that does not start anything is an error that says what there was to see");
  assert_broken (remote_launcher_new ("false", NULL), "No worker can be started (tried 3 times): *false is lost: *");
  assert_broken (remote_launcher_new ("sh", "-c", "echo no such host >&2; exit 255", NULL),
                 "*sh is lost: *the launcher says: no such host*");
  assert_broken (remote_launcher_new ("sh", "-c", "echo rubbish and more", NULL), "*sh is lost: *“rubbish and more”*");
  assert_broken (remote_launcher_new ("/nonexistent/launcher", NULL), "*/nonexistent/launcher*");
}

static void
test_rubbish (void)
{
  gint64 began = g_get_monotonic_time ();

  g_test_summary ("One that never stops talking is not listened to for ever");
  assert_broken (remote_launcher_new ("yes", "rubbish", NULL), "*yes is lost: *“rubbish*");
  g_assert_cmpfloat ((g_get_monotonic_time () - began) / 1e6, <, 10 * test_time_factor ());
}

static void
test_late_failure (void)
{
  g_autofree char *script = test_path ("launcher");

  g_test_summary ("One that turns out not to be a program is named, with the reason");
  test_write_file (script, "#!/nonexistent/interpreter\n");
  g_assert_no_errno (g_chmod (script, 0700));
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *pattern = g_strdup_printf ("*%s*/nonexistent/interpreter*does not exist*", script);

      assert_broken (remote_launcher_new (script, NULL), pattern);
    }
}

static void
test_no_agent (void)
{
  ParallelLauncher *launcher = remote_launcher ();
  ParallelLauncher *other = remote_launcher ();

  g_test_summary ("An agent that does not exist there is named");
  parallel_launcher_set_agent (launcher, "/nonexistent/agent");
  assert_broken (launcher, "*/nonexistent/agent*");
  parallel_launcher_set_agent (other, "/bin/true");
  assert_broken (other, "*env is lost*");
}

/* What is too big for one argument, Linux's limit being 128 KiB. */
static void
test_big_spec (void)
{
  g_autofree char *big = g_strnfill (200 * 1024, 'x');
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *variable = g_strconcat ("BIG=", big, NULL);
  const char *argv[] = { self, "x", NULL };
  const char *env[] = { variable, NULL };
  ParallelTask *task = parallel_worker_task_new (argv);
  g_autoptr (ParallelStep) here = NULL;
  g_autoptr (ParallelStep) there = NULL;

  g_test_summary ("A worker's environment that is too big for an argument is an error that says so");
  parallel_worker_task_set_environ (PARALLEL_WORKER_TASK (task), env);
  here = remote_run (g_object_ref (task), NULL);
  test_assert_step_error (here, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN);
  there = remote_run (remote_set (task, remote_launcher ()), NULL);
  test_assert_step_error (there, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_POOL_BROKEN);
  remote_assert_matches (there, "*the system allows 131072*");
}

/* ---- what is lost ---- */

/* @is_watched: closely, which is not for a machine that has much to do. */
static ParallelLauncher *
watched_launcher (gboolean connect_back,
                  gboolean is_watched)
{
  ParallelLauncher *launcher = remote_launcher ();

  if (is_watched)
    parallel_launcher_set_heartbeat_timeout (launcher, 0.5 * test_time_factor ());
  parallel_launcher_set_connect_back (launcher, connect_back);
  parallel_launcher_set_address (launcher, "127.0.0.1");
  return launcher;
}

/* Leaves its process id and waits, the first time; the second time it is done at once. */
static ParallelTask *
waiting_task (gboolean    connect_back,
              gboolean    is_watched,
              const char *path,
              const char *once)
{
  g_autofree char *line = g_strdup_printf ("echo begun; [ ! -e '%s' ] || exit 0; : > '%s'; echo $$ > '%s'; "
                                           "while :; do sleep 0.05; done", once, once, path);

  return remote_set (parallel_command_task_new_shell (line), watched_launcher (connect_back, is_watched));
}

/* Runs it and does @harm, to the agent in @role, while it runs. @error: what it ends with, or NULL if it is to succeed
 * after a second attempt. */
static void
harm (gboolean    connect_back,
      const char *role,
      int         signum,
      const char *error)
{
  g_autofree char *path = test_path ("pid");
  g_autofree char *once = test_path ("once");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  ParallelTask *task = waiting_task (connect_back, signum == SIGSTOP, path, once);
  g_autoptr (ParallelStep) step = parallel_step_new (task, NULL);
  int agent;
  int pid;

  parallel_step_set_max_attempts (step, error != NULL ? 1 : 2);
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  pid = test_await_number (path);
  agent = remote_await_agent (role);
  g_assert_no_errno (kill (agent, signum));
  parallel_background_task_runner_wait (runner, NULL, NULL);
  if (error != NULL)
    {
      test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
      remote_assert_matches (step, error);
    }
  else
    {
      assert_prints (step, "begun\n");
      g_assert_cmpuint (parallel_step_get_attempt (step), ==, 2);
    }
  if (signum == SIGSTOP)
    kill (agent, SIGCONT);
  test_wait_until (!test_process_runs (pid) && remote_count () == 0);
  g_unlink (path);
  g_unlink (once);
}

static void
test_agent_stopped (void)
{
  g_test_summary ("An agent that is silent is lost");
  for (guint back = 0; back < 2; back++)
    {
      harm (back, "serve", SIGSTOP, "The worker on env is lost: there was no sign of life for * s*");
      harm (back, "serve", SIGSTOP, NULL);
    }
}

static void
test_agent_killed (void)
{
  g_test_summary ("An agent that is killed is lost at once, with all that it runs");
  for (guint back = 0; back < 2; back++)
    {
      harm (back, "serve", SIGKILL, "The worker on env is lost: *");
      harm (back, "serve", SIGKILL, NULL);
      harm (back, "serve", SIGTERM, "The worker on env is lost: *");
    }
}

static void
test_relay_killed (void)
{
  g_test_summary ("So is the relay");
  for (guint back = 0; back < 2; back++)
    {
      harm (back, "relay", SIGKILL, "The worker (pid *) was ended by signal 9 (Killed) while it was doing the step");
      harm (back, "relay", SIGKILL, NULL);
    }
}

static void
test_worker_killed (void)
{
  g_test_summary ("The worker's end is that of the relay");
  for (guint back = 0; back < 2; back++)
    {
      harm (back, "commands", SIGKILL, "The worker (pid *) was ended by signal 9 (Killed) while it was doing the step");
      harm (back, "commands", SIGKILL, NULL);
    }
}

/* ---- strangers ---- */

/* The number of the port where a process listens. */
static int
find_port (int pid)
{
  g_autofree char *line = g_strdup_printf ("for fd in /proc/%d/fd/*; do i=$(readlink $fd); i=${i#socket:[}; i=${i%%]}; "
                                           "awk -v i=\"$i\" '$4 == \"0A\" && $10 == i { split ($2, a, \":\"); print a[2] }' "
                                           "/proc/net/tcp; done", pid);
  const char *argv[] = { "/bin/sh", "-c", line, NULL };
  g_autofree char *output = NULL;

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL, NULL, NULL));
  return (int) g_ascii_strtoull (output, NULL, 16);
}

static int
connect_to (int         port,
            const char *text)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_no_errno (connect (fd, (struct sockaddr *) &address, sizeof address));
  g_assert_cmpint (send (fd, text, strlen (text), MSG_NOSIGNAL), ==, strlen (text));
  return fd;
}

static void
test_strangers (void)
{
  static const char * const words[] = { "", "a", "0123456789abcdef", "0123456789abcdef and more than that" };
  g_autofree char *go = test_path ("go");
  g_autofree char *script = g_strdup_printf ("until [ -e '%s' ]; do sleep 0.05; done; exec \"$@\"", go);
  ParallelLauncher *launcher = remote_launcher_new ("sh", "-c", script, "sh", NULL);
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  int fds[40];
  int relay;
  int port = 0;
  double before;

  g_test_summary ("Strangers who connect do not keep the agent out, and no processor busy");
  parallel_launcher_set_connect_back (launcher, TRUE);
  parallel_launcher_set_address (launcher, "127.0.0.1");
  step = parallel_step_new (remote_set (parallel_command_task_new_shell ("echo out"), launcher), NULL);
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  relay = remote_await_agent ("relay");
  test_wait_until ((port = find_port (relay)) > 0);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    fds[i] = connect_to (port, words[i % G_N_ELEMENTS (words)]);
  before = remote_get_time (relay);
  g_usleep (300 * 1000);
  g_assert_cmpfloat (remote_get_time (relay) - before, <, 0.1);
  test_write_file (go, "");
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, NULL));
  assert_prints (step, "out\n");
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
}

/* ---- words of others ---- */

static void
test_stray_words (void)
{
  ParallelLauncher *launcher = remote_launcher_new ("env", "LD_PRELOAD=/nonexistent/library.so", NULL);
  g_autoptr (ParallelStep) step = run_by (launcher, "echo out");
  g_autoptr (GBytes) errors = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDERR, NULL);

  g_test_summary ("What the system says in the agent's name is not taken for what the program prints");
  assert_prints (step, "out\n");
  g_assert_cmpuint (g_bytes_get_size (errors), >, 0);   /* in the program's name */
}

/* ---- no way back ---- */

static void
test_no_way_back (void)
{
  ParallelLauncher *launcher = remote_launcher ();
  ParallelLauncher *nowhere = remote_launcher ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (ParallelStep) other = NULL;

  g_test_summary ("Where nobody can listen the streams do");
  parallel_launcher_set_connect_back (launcher, TRUE);
  parallel_launcher_set_address (launcher, "192.0.2.7");
  step = run_by (launcher, "echo out");
  assert_prints (step, "out\n");
  parallel_launcher_set_connect_back (nowhere, TRUE);
  parallel_launcher_set_address (nowhere, "no-such-host.invalid");
  other = run_by (nowhere, "echo out");
  assert_prints (other, "out\n");
}

/* ---- the program ends ---- */

/* In a process of its own: runs a step until somebody kills the program. */
static void
test_killed_program (void)
{
  g_autofree char *path = test_path ("pid");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = parallel_step_new (remote_shell ("trap '' TERM; echo $$ > '%s'; "
                                                                   "while :; do sleep 0.05; done",
                                                                   g_getenv ("REMOTE_PID_FILE")), NULL);

  test_put_step (runner, step);
  parallel_background_task_runner_wait (runner, NULL, NULL);
}

static void
test_killed (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *path = test_path ("pid");
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("SIGKILL of the program leaves nothing there");
  g_setenv ("REMOTE_PID_FILE", path, TRUE);
  subprocess = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error, self, "-p", "/remote/killed/program", NULL);
  g_unsetenv ("REMOTE_PID_FILE");
  g_assert_no_error (error);
  test_await_number (path);
  g_subprocess_force_exit (subprocess);
  g_assert_true (g_subprocess_wait (subprocess, NULL, NULL));
  test_wait_until (!test_process_runs (test_await_number (path)));
}

/* In a process of its own, which is stopped for a while: runs a step that prints much. */
static void
test_stopped_program (void)
{
  g_autoptr (ParallelStep) step = remote_run (remote_shell ("head -c 104857600 /dev/zero; echo 1 > '%s'",
                                                            g_getenv ("REMOTE_PID_FILE")), NULL);

  g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpuint (parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT), ==, 104857600);
}

static void
test_stopped (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *path = test_path ("done");
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autoptr (GError) error = NULL;
  int program;
  int relay = 0;
  int agent = 0;

  g_test_summary ("A program that does not read is waited for, and little is kept for it");
  g_setenv ("REMOTE_PID_FILE", path, TRUE);
  subprocess = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error, self, "-p", "/remote/stopped/program", NULL);
  g_unsetenv ("REMOTE_PID_FILE");
  g_assert_no_error (error);
  program = atoi (g_subprocess_get_identifier (subprocess));
  test_wait_until ((relay = remote_find_child (program, "relay")) > 0);
  test_wait_until ((agent = remote_find_child (relay, "serve")) > 0);
  test_wait_until (remote_find_child (agent, "commands") > 0);
  g_assert_no_errno (kill (program, SIGSTOP));
  g_usleep (500 * 1000);
  if (!test_has_sanitizer ())
    {
      g_assert_cmpuint (remote_get_memory (relay), <, 24 * 1024 * 1024);
      g_assert_cmpuint (remote_get_memory (agent), <, 24 * 1024 * 1024);
    }
  g_assert_no_errno (kill (program, SIGCONT));
  g_assert_true (g_subprocess_wait_check (subprocess, NULL, &error));
  g_assert_no_error (error);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  remote_add ("/remote/launcher/talkative", test_talkative);
  remote_add ("/remote/launcher/joins", test_joins);
  remote_add ("/remote/launcher/descriptors", test_descriptors);
  remote_add ("/remote/launcher/useless", test_useless);
  remote_add ("/remote/launcher/rubbish", test_rubbish);
  remote_add ("/remote/launcher/late-failure", test_late_failure);
  remote_add ("/remote/launcher/no-agent", test_no_agent);
  remote_add ("/remote/big-spec", test_big_spec);
  remote_add ("/remote/agent/stopped", test_agent_stopped);
  remote_add ("/remote/agent/killed", test_agent_killed);
  remote_add ("/remote/relay-killed", test_relay_killed);
  remote_add ("/remote/worker-killed", test_worker_killed);
  remote_add ("/remote/strangers", test_strangers);
  remote_add ("/remote/stray-words", test_stray_words);
  remote_add ("/remote/no-way-back", test_no_way_back);
  if (g_getenv ("REMOTE_PID_FILE") != NULL)
    {
      test_add ("/remote/killed/program", test_killed_program);
      test_add ("/remote/stopped/program", test_stopped_program);
    }
  else
    {
      remote_add ("/remote/killed", test_killed);
      remote_add ("/remote/stopped", test_stopped);
    }
  return test_run ();
}
