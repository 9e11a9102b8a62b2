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
#include "parallel-process-group.h"
#include "parallel-spawner.h"
#include "parallel-step-private.h"

/* One attempt of a command step, from the start of its program to its end. All of it happens in the
 * engine thread.
 *
 * The program's output comes through pipes, which are read as soon as there is something and, when
 * the program has ended, up to what they held at that moment: all that the step itself has written.
 * What a daemon that it left behind writes later is not waited for.
 *
 * Stopping: SIGTERM (and SIGCONT, for what is stopped) to the process group, then, after the
 * kill grace, SIGKILL to it. The attempt ends when the program has ended and its group is empty
 * or killed. */

/* How often a group is looked at while its last members are on their way out. */
#define GROUP_POLL_MIN (2 * 1000)       /* microseconds */
#define GROUP_POLL_MAX (50 * 1000)

/* After SIGKILL the kernel takes a program away at once, unless it hangs in a device. Then it is
 * left. */
#define GIVE_UP_AFTER  (2 * G_USEC_PER_SEC)

#define MAX_GRACE (G_MAXINT64 / (4.0 * G_USEC_PER_SEC))   /* seconds; the clock never gets there */

typedef enum
{
  STOP_NOT,
  STOP_ASKED,     /* SIGTERM was sent */
  STOP_KILLED     /* SIGKILL was sent */
} StopState;

typedef struct
{
  ParallelCommandTask  *task;         /* borrowed from the step */
  ParallelStep         *step;         /* borrowed: its run keeps it until it is told of the end */
  char                **argv;
  ParallelSpawnRequest  request;
  GSubprocess          *subprocess;
  int                   pid;
  int                   fds[2];       /* -1: closed */
  GSource              *readers[2];
  GSource              *timer;        /* of the stop sequence */
  gboolean              exited;
  int                   wait_status;
  StopState             stop;
  gint64                stop_deadline;
  gint64                poll_interval;
} CommandRun;

/* Of CommandRun, by step. */
static GHashTable *running;

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
clear_timer (CommandRun *run)
{
  if (run->timer == NULL)
    return;

  g_source_destroy (run->timer);
  g_clear_pointer (&run->timer, g_source_unref);
}

static void
command_run_free (CommandRun *run)
{
  close_stream (run, 0);
  close_stream (run, 1);
  clear_timer (run);
  g_clear_object (&run->subprocess);
  g_strfreev (run->argv);
  g_free (run);
}

/* Ends the attempt. Takes @error. */
static void
end (CommandRun *run,
     GError     *error)
{
  ParallelStep *step = run->step;

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
end_exited (CommandRun *run)
{
  GError *error = parallel_spawner_take_failure (run->pid, &run->request);
  ParallelUsage usage;

  if (error == NULL)
    error = error_from_status (run);
  if (run->request.measure && parallel_spawner_take_usage (run->pid, &usage))
    parallel_step_set_usage (run->step, usage.user_time, usage.system_time, usage.max_rss);
  parallel_spawner_forget (run->pid);

  end (run, error);
}

static gboolean group_timer_cb (gpointer user_data);

static void
arm_timer (CommandRun *run,
           gint64      ready_time)
{
  clear_timer (run);
  run->timer = parallel_engine_add_timer (ready_time, group_timer_cb, run);
}

static void
signal_group (CommandRun *run,
              int         signum)
{
  /* The group outlives its leader as long as it has members; when it has none this is an ESRCH.
   * In the first moment the helper has not made it yet. */
  if (kill (-run->pid, signum) < 0 && errno == ESRCH && !run->exited)
    kill (run->pid, signum);
}

/* Kills what did not go, and goes on to what is next in the stop sequence. Returns TRUE when the
 * run has ended. */
static gboolean
advance_stop (CommandRun *run)
{
  gint64 now = g_get_monotonic_time ();

  if (run->exited && (run->stop == STOP_KILLED || parallel_process_group_is_empty (run->pid)))
    {
      end_exited (run);
      return TRUE;
    }
  if (now >= run->stop_deadline && run->stop == STOP_ASKED)
    {
      signal_group (run, SIGKILL);
      run->stop = STOP_KILLED;
      run->stop_deadline = now + GIVE_UP_AFTER;
      return run->exited && advance_stop (run);
    }
  if (now >= run->stop_deadline && run->stop == STOP_KILLED)
    {
      end (run, g_error_new (G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                             "“%s” (pid %d) does not end although it was killed", run->argv[0], run->pid));
      return TRUE;
    }
  return FALSE;
}

static gboolean
group_timer_cb (gpointer user_data)
{
  CommandRun *run = user_data;
  gint64 next;

  if (advance_stop (run))
    return G_SOURCE_REMOVE;

  next = run->stop_deadline;
  if (run->exited)
    {
      next = MIN (next, g_get_monotonic_time () + run->poll_interval);
      run->poll_interval = MIN (run->poll_interval * 2, GROUP_POLL_MAX);
    }
  g_source_set_ready_time (run->timer, next);
  return G_SOURCE_CONTINUE;
}

static void
exited_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  GSubprocess *subprocess = G_SUBPROCESS (source);
  CommandRun *run = g_hash_table_lookup (running, user_data);

  g_subprocess_wait_finish (subprocess, result, NULL);
  if (run == NULL || run->subprocess != subprocess)
    return;   /* it was given up */

  run->exited = TRUE;
  run->wait_status = g_subprocess_get_status (subprocess);
  drain_stream (run, 0);
  drain_stream (run, 1);

  if (run->stop == STOP_NOT)
    end_exited (run);
  else
    arm_timer (run, 0);
}

void
parallel_command_run_start (ParallelCommandTask *task,
                            ParallelStep        *step)
{
  CommandRun *run = g_new0 (CommandRun, 1);
  ParallelSpawned spawned;
  GError *error = NULL;

  if (running == NULL)
    running = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) command_run_free);
  g_hash_table_insert (running, step, run);

  run->task = task;
  run->step = step;
  run->fds[0] = -1;
  run->fds[1] = -1;
  run->argv = parallel_command_task_dup_argv (task, step);
  run->request.argv = (const char * const *) run->argv;
  run->request.env = parallel_command_task_get_environ (task);
  run->request.cwd = parallel_command_task_get_cwd (task);
  run->request.merge_stderr = parallel_command_task_get_merge_stderr (task);
  run->request.measure = parallel_command_task_get_measure_usage (task);
  run->request.stdin_fd = parallel_command_task_open_stdin (task, &error);

  if (error != NULL || !parallel_spawner_spawn (&run->request, &spawned, &error))
    {
      parallel_step_report_started (step);
      end (run, error);
      return;
    }

  run->subprocess = spawned.subprocess;
  run->pid = spawned.pid;
  run->fds[0] = spawned.stdout_fd;
  run->fds[1] = spawned.stderr_fd;
  watch_stream (run, 0);
  watch_stream (run, 1);
  g_subprocess_wait_async (run->subprocess, NULL, exited_cb, step);
  parallel_step_set_subprocess (step, run->subprocess);
  parallel_step_report_started (step);
}

void
parallel_command_run_stop (ParallelStep *step)
{
  CommandRun *run = running != NULL ? g_hash_table_lookup (running, step) : NULL;
  gint64 now = g_get_monotonic_time ();

  if (run == NULL || run->stop != STOP_NOT || run->exited)
    return;

  run->stop = STOP_ASKED;
  run->stop_deadline = now + (gint64) (MIN (parallel_step_get_grace (step), MAX_GRACE) * G_USEC_PER_SEC);
  run->poll_interval = GROUP_POLL_MIN;
  signal_group (run, SIGTERM);
  signal_group (run, SIGCONT);
  arm_timer (run, run->stop_deadline);
}
