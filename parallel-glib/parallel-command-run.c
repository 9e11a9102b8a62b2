/* parallel-command-run.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-command-task-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-exec-reports.h"
#include "parallel-fork.h"
#include "parallel-guardian.h"
#include "parallel-process-stop.h"
#include "parallel-spawner.h"
#include "parallel-step-private.h"

/* One attempt of a command step, from the start of its program to its end. All of it happens in the
 * engine thread.
 *
 * The program's output comes through pipes, which are read as soon as there is something and, when
 * the program has ended, up to what they held at that moment: all that the step itself has written.
 * What a daemon that it left behind writes later is not waited for.
 *
 * When it is stopped, the attempt ends when the program and all that it has started has ended, or
 * was killed and does not go. */

typedef struct
{
  ParallelStep         *step;         /* borrowed: its run keeps it until it is told of the end */
  char                **argv;
  ParallelSpawnRequest  request;
  ParallelSpawned       spawned;      /* its pid is 0 until it is started */
  int                   fds[2];       /* -1: closed */
  GSource              *readers[2];
  ParallelProcessStop  *stop;         /* NULL: it may run */
  gboolean              exited;
  gboolean              lost;         /* what it exited with is not known */
  int                   wait_status;
} CommandRun;

/* Of CommandRun, by step. */
static GHashTable *running;

/* Of CommandRun, borrowed: those that wait for the guardian. */
static GQueue waiting = G_QUEUE_INIT;

static void
close_stream (CommandRun *run,
              guint       stream)
{
  if (run->readers[stream] != NULL)
    {
      g_source_destroy (run->readers[stream]);
      g_clear_pointer (&run->readers[stream], g_source_unref);
    }
  if (run->fds[stream] >= 0)
    close (g_steal_fd (&run->fds[stream]));
}

static void
command_run_free (CommandRun *run)
{
  close_stream (run, 0);
  close_stream (run, 1);
  g_queue_remove (&waiting, run);
  g_clear_pointer (&run->stop, parallel_process_stop_free);
  g_clear_object (&run->spawned.subprocess);
  g_free (run->spawned.mark);
  g_strfreev (run->argv);
  g_free (run);
}

/* Ends the attempt. Takes @error. */
static void
end (CommandRun *run,
     GError     *error)
{
  ParallelStep *step = run->step;

  if (run->spawned.pid != 0)
    parallel_guardian_remove (run->spawned.pid);
  g_hash_table_remove (running, step);
  parallel_step_end (step, error);
}

/* The output cannot be kept: the program is stopped, with this as the reason. */
static void
stop_for_output (CommandRun *run,
                 GError     *error)
{
  if (parallel_step_take_stop_reason (run->step, error))
    parallel_command_run_stop (run->step);
}

/* Takes what the pipe has, at most @limit bytes. Returns FALSE when there will be nothing more. */
static gboolean
read_stream (CommandRun *run,
             guint       stream,
             gsize       limit)
{
  g_autoptr (ParallelOutput) output = NULL;
  gsize total = 0;
  gboolean more = TRUE;

  output = parallel_step_dup_stream (run->step, stream);
  if (output == NULL)
    return FALSE;

  while (more && total < limit)
    {
      GError *error = NULL;
      gssize n = parallel_output_append_pipe (output, run->fds[stream], &error);

      if (n > 0)
        total += n;
      else if (n == 0)
        more = FALSE;
      else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          g_clear_error (&error);
          break;
        }
      else
        {
          more = FALSE;
          stop_for_output (run, error);
        }
    }

  if (total > 0)
    parallel_step_wrote (run->step, stream);
  return more;
}

static gboolean
has_input (int fd)
{
  GPollFD poll_fd = { .fd = fd, .events = G_IO_IN };

  return g_poll (&poll_fd, 1, 0) > 0 && (poll_fd.revents & G_IO_IN) != 0;
}

static gboolean
readable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  CommandRun *run = user_data;
  guint stream = fd == run->fds[0] ? 0 : 1;

  /* An end of file alone does not make an output. */
  if ((condition & G_IO_IN) != 0 && read_stream (run, stream, 1))
    return G_SOURCE_CONTINUE;

  close_stream (run, stream);
  if (run->fds[0] < 0 && run->fds[1] < 0)
    parallel_step_begin_leaving (run->step);
  return G_SOURCE_REMOVE;
}

static void
watch_stream (CommandRun *run,
              guint       stream)
{
  if (run->fds[stream] < 0)
    return;

  run->readers[stream] = g_unix_fd_source_new (run->fds[stream], G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_static_name (run->readers[stream], "[parallel] output of a step");
  g_source_set_callback (run->readers[stream], G_SOURCE_FUNC (readable_cb), run, NULL);
  g_source_attach (run->readers[stream], g_main_context_get_thread_default ());
}

/* All that the program itself wrote is in the pipe now, so no more than the pipe can hold is of
 * interest. */
static void
drain_stream (CommandRun *run,
              guint       stream)
{
  int capacity;

  if (run->fds[stream] < 0)
    return;

  capacity = fcntl (run->fds[stream], F_GETPIPE_SZ);
  if (has_input (run->fds[stream]))
    read_stream (run, stream, capacity > 0 ? (gsize) capacity : 64 * 1024);
  close_stream (run, stream);
}

/* What the wait status says, as GLib's own errors. */
static GError *
error_from_status (CommandRun *run)
{
  int status = run->wait_status;

  if (run->lost)
    return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                        "“%s” ended, but its exit status was lost: something else in this program waits "
                        "for all child processes; it must only wait for its own", run->argv[0]);

  if (WIFEXITED (status))
    {
      parallel_step_set_exit (run->step, WEXITSTATUS (status), 0);
      return WEXITSTATUS (status) == 0
             ? NULL
             : g_error_new (G_SPAWN_EXIT_ERROR, WEXITSTATUS (status), "“%s” exited with status %d",
                            run->argv[0], WEXITSTATUS (status));
    }

  parallel_step_set_exit (run->step, -1, WTERMSIG (status));
  return g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED, "“%s” was ended by signal %d (%s)%s",
                      run->argv[0], WTERMSIG (status), g_strsignal (WTERMSIG (status)),
                      WCOREDUMP (status) ? ", with a core dump" : "");
}

static void
end_exited (CommandRun *run,
            const char *left)
{
  int pid = run->spawned.pid;
  GError *error = parallel_spawner_take_failure (pid, &run->request);

  drain_stream (run, 0);
  drain_stream (run, 1);

  if (error == NULL)
    error = error_from_status (run);
  parallel_exec_reports_forget (pid);
  if (left != NULL)
    parallel_step_add_to_stop_reason (run->step, "not all of its processes ended although they were "
                                      "killed: ", left);

  end (run, error);
}

static void
stopped_cb (gpointer    user_data,
            const char *left)
{
  CommandRun *run = user_data;
  g_autofree char *signals = parallel_process_stop_dup_signals (run->stop);

  if (signals != NULL)
    parallel_step_add_to_stop_reason (run->step, "it was sent ", signals);
  if (run->exited)
    {
      end_exited (run, left);
      return;
    }

  parallel_step_add_to_stop_reason (run->step, "it does not end although it was killed: ", left);
  end (run, g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                         "“%s” (pid %d) does not end although it was killed", run->argv[0],
                         run->spawned.pid));
}

static void
begin_stop (CommandRun *run,
            const char *text,
            double      grace)
{
  ParallelTree tree = { run->spawned.pid, run->spawned.mark };
  ParallelStopSequence sequence;

  parallel_stop_sequence_parse (text, grace, &sequence, NULL);
  run->stop = parallel_process_stop_new (&tree, run->request.tree, &sequence, stopped_cb, run);
}

/* A supervising helper knows how the program ended; the status of the helper itself may have been
 * taken by somebody else. Without its report, it was killed itself, or could not start the program,
 * which it has reported then. */
static void
take_end (CommandRun *run)
{
  ParallelExecEnd usage;

  run->lost = run->wait_status == PARALLEL_EXIT_LOST;
  if (!run->spawned.supervised)
    return;

  if (parallel_exec_reports_take_end (run->spawned.pid, &usage))
    {
      run->wait_status = usage.wait_status;
      run->lost = FALSE;
      if (run->request.supervise)
        parallel_step_set_usage (run->step, usage.user_time, usage.system_time, usage.max_rss);
    }
  else
    {
      run->lost = run->lost || !WIFSIGNALED (run->wait_status);
      if (run->request.tree && run->stop == NULL)
        begin_stop (run, "KILL", 0);
    }
}

static void
exited_cb (int      pid,
           int      wait_status,
           gpointer user_data)
{
  CommandRun *run = g_hash_table_lookup (running, user_data);

  if (run == NULL || run->spawned.pid != pid)
    return;   /* it was given up */

  run->exited = TRUE;
  run->wait_status = wait_status;
  take_end (run);

  /* While it is being stopped, what is left of it may still say something, and must not die of
   * saying it. */
  if (run->stop == NULL)
    end_exited (run, NULL);
  else
    parallel_process_stop_exited (run->stop);
}

static void
start (CommandRun *run)
{
  ParallelStep *step = run->step;
  GError *error = NULL;

  run->request.stdin_fd = parallel_command_task_open_stdin (
    PARALLEL_COMMAND_TASK (parallel_step_get_task (step)), &error);
  if (error != NULL || !parallel_spawner_spawn (&run->request, &run->spawned, &error))
    {
      parallel_step_report_started (step);
      end (run, error);
      return;
    }

  run->fds[0] = run->spawned.stdout_fd;
  run->fds[1] = run->spawned.stderr_fd;
  watch_stream (run, 0);
  watch_stream (run, 1);
  parallel_spawner_watch (&run->spawned, exited_cb, step);
  parallel_step_set_process (step, run->spawned.subprocess, run->spawned.pid, run->spawned.mark);
  parallel_step_report_started (step);
}

/* The guardian has come. */
static void
start_waiting (void)
{
  CommandRun *run;

  while ((run = g_queue_pop_head (&waiting)) != NULL)
    start (run);
}

/* What runs is the parent's. */
static void
forked (void)
{
  running = NULL;
  g_queue_init (&waiting);
}

static void
prepare (void)
{
  parallel_fork_add_once (forked);

  if (running == NULL)
    running = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) command_run_free);
}

void
parallel_command_run_start (ParallelCommandTask *task,
                            ParallelStep        *step)
{
  CommandRun *run = g_new0 (CommandRun, 1);

  prepare ();
  g_hash_table_insert (running, step, run);

  run->step = step;
  run->fds[0] = -1;
  run->fds[1] = -1;
  run->argv = parallel_command_task_dup_argv (task, step);
  run->request.argv = (const char * const *) run->argv;
  run->request.env = parallel_command_task_get_environ (task);
  run->request.cwd = parallel_command_task_get_cwd (task);
  run->request.merge_stderr = parallel_command_task_get_merge_stderr (task);
  run->request.supervise = parallel_command_task_get_measure_usage (task);
  run->request.tree = parallel_command_task_get_containment (task) == PARALLEL_CONTAINMENT_TREE;

  if (parallel_guardian_prepare (start_waiting))
    start (run);
  else
    g_queue_push_tail (&waiting, run);
}

void
parallel_command_run_stop (ParallelStep *step)
{
  CommandRun *run = running != NULL ? g_hash_table_lookup (running, step) : NULL;
  ParallelStepLimits limits;

  if (run == NULL || run->stop != NULL || run->exited)
    return;

  if (run->spawned.pid == 0)
    {
      parallel_step_report_started (step);
      end (run, NULL);   /* with the reason for the stop */
      return;
    }

  limits = parallel_step_get_attempt_limits (step);
  begin_stop (run, limits.stop_sequence, limits.kill_grace);
}
