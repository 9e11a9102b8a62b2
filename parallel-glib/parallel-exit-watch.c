/* parallel-exit-watch.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-exit-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-fd.h"

/* As in linux/pidfd.h, which is younger than many systems. */
typedef struct
{
  guint64 mask;
  guint64 cgroupid;
  guint32 ids[11];
  gint32  exit_code;
} Info;

G_STATIC_ASSERT (sizeof (Info) == 64);

#define INFO_EXIT (1u << 3)
#define GET_INFO  _IOWR (0xff, 11, Info)

/* How often it is looked whether a child that GLib may have missed is gone, and how often it must
 * have been gone until GLib is not waited for any more. */
#define LOOK_INTERVAL G_USEC_PER_SEC
#define N_LOOKS       2

/* How many children have to end as they should, until one that was never seen is believed. Of two who wait,
 * either may be the first. */
#define N_TRIALS 4

/* How long the answer is believed: on a busy machine many short programs are never seen. */
#define TRIAL_INTERVAL G_USEC_PER_SEC

/* How often it is looked for a child without GLib, where the kernel cannot tell. */
#define REAP_INTERVAL (20 * 1000)

/* Engine thread only, all of it. */
typedef struct
{
  int               pid;
  int               fd;           /* for the process, or -1 */
  GCancellable     *cancellable;  /* of GLib's wait, while it may have to be given up */
  GSource          *timer;        /* the same */
  guint             n_gone;       /* looks that found no process */
  gboolean          unseen;       /* it was gone before it could be looked at */
  gboolean          is_trial;
  guint             n_trials;
  ParallelExitFunc  callback;     /* NULL once it was called */
  gpointer          user_data;
} ExitWatch;

/* The kernel has descriptors for processes, but they do not know how those ended. */
static gboolean no_info;

static gboolean thief_known;

static ParallelExitTrial start_trial;

/* Until when what was not seen is believed; monotonic time. */
static gint64 believed_until;

static void
clear_timer (ExitWatch *watch)
{
  if (watch->timer == NULL)
    return;

  g_source_destroy (watch->timer);
  g_clear_pointer (&watch->timer, g_source_unref);
}

static void
exit_watch_free (ExitWatch *watch)
{
  clear_timer (watch);
  parallel_fd_clear (&watch->fd);
  g_clear_object (&watch->cancellable);
  g_free (watch);
}

static void
tell (ExitWatch *watch,
      int        wait_status)
{
  ParallelExitFunc callback = g_steal_pointer (&watch->callback);

  clear_timer (watch);
  if (callback != NULL)
    callback (watch->pid, wait_status, watch->user_data);
}

/* ---- what the kernel knows ---- */

/* Gives the status of the process if it was waited for. */
static gboolean
query (int  fd,
       int *wait_status)
{
  Info info = { .mask = INFO_EXIT };

  if (fd < 0 || ioctl (fd, GET_INFO, &info) != 0)
    return FALSE;

  no_info = (info.mask & INFO_EXIT) == 0;
  if (no_info)
    return FALSE;

  *wait_status = info.exit_code;
  return TRUE;
}

static int
verify (ExitWatch *watch,
        int        wait_status)
{
  int actual;

  if (wait_status != 0 || !query (watch->fd, &actual) || actual == 0)
    return wait_status;

  parallel_exit_report_thief ();
  return actual;
}

/* ---- what GLib may have missed ---- */

static gboolean
look_cb (gpointer user_data)
{
  ExitWatch *watch = user_data;

  /* As long as nobody has waited for it, it is there. */
  if (kill (watch->pid, 0) == 0 || errno != ESRCH)
    watch->n_gone = 0;
  else if (++watch->n_gone == N_LOOKS)
    {
      parallel_exit_report_thief ();
      g_cancellable_cancel (watch->cancellable);   /* which frees the watch later */
      tell (watch, PARALLEL_EXIT_LOST);
      return G_SOURCE_REMOVE;
    }

  g_source_set_ready_time (watch->timer, g_get_monotonic_time () + LOOK_INTERVAL);
  return G_SOURCE_CONTINUE;
}

/* GLib has looked for the process just before, in the same way. If there was none any more, or no
 * descriptor left, it waits for a SIGCHLD that may never come. */
static void
open_process (ExitWatch *watch)
{
  Info info = { .mask = INFO_EXIT };

  watch->fd = (int) syscall (SYS_pidfd_open, watch->pid, 0);
  if (watch->fd < 0)
    {
      watch->unseen = !no_info;
      watch->cancellable = g_cancellable_new ();
      watch->timer = parallel_engine_add_timer (g_get_monotonic_time () + LOOK_INTERVAL, look_cb, watch);
    }
  else if (no_info || ioctl (watch->fd, GET_INFO, &info) != 0)
    {
      no_info = TRUE;
      parallel_fd_clear (&watch->fd);
    }
}

/* ---- what nobody saw ---- */

static void try_or_tell (ExitWatch *watch);

static void
trial_ended_cb (int      pid,
                int      wait_status,
                gpointer user_data)
{
  ExitWatch *watch = user_data;

  watch->n_trials++;
  if (wait_status == PARALLEL_EXIT_LOST || wait_status == 0)
    parallel_exit_report_thief ();
  try_or_tell (watch);
}

/* A success that may be another's theft. It is the last thing that is done with the watch. */
static void
try_or_tell (ExitWatch *watch)
{
  gint64 now = g_get_monotonic_time ();

  if (watch->n_trials == N_TRIALS)
    believed_until = now + TRIAL_INTERVAL;
  else if (!thief_known && now >= believed_until && start_trial != NULL &&
           start_trial (trial_ended_cb, watch))
    return;

  tell (watch, thief_known ? PARALLEL_EXIT_LOST : 0);
  exit_watch_free (watch);
}

/* ---- what GLib tells ---- */

static void
subprocess_exited_cb (GObject      *source,
                      GAsyncResult *result,
                      gpointer      user_data)
{
  GSubprocess *subprocess = G_SUBPROCESS (source);
  ExitWatch *watch = user_data;

  if (g_subprocess_wait_finish (subprocess, result, NULL) && watch->callback != NULL)
    {
      int wait_status = verify (watch, g_subprocess_get_status (subprocess));

      clear_timer (watch);
      if (wait_status == 0 && watch->unseen && !watch->is_trial)
        {
          try_or_tell (watch);
          return;
        }
      tell (watch, wait_status);
    }
  exit_watch_free (watch);
}

/* ---- without GLib ---- */

/* Returns whether that was the end. */
static gboolean
reap (ExitWatch *watch)
{
  int wait_status = PARALLEL_EXIT_LOST;
  int pid = waitpid (watch->pid, &wait_status, WNOHANG);

  if (pid == 0 || (pid < 0 && errno == EINTR))
    return FALSE;

  if (pid < 0)
    query (watch->fd, &wait_status);
  tell (watch, wait_status);
  exit_watch_free (watch);
  return TRUE;
}

static gboolean
reap_cb (gpointer user_data)
{
  ExitWatch *watch = user_data;

  if (reap (watch))
    return G_SOURCE_REMOVE;

  g_source_set_ready_time (watch->timer, g_get_monotonic_time () + REAP_INTERVAL);
  return G_SOURCE_CONTINUE;
}

static gboolean
readable_cb (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  return reap (user_data) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* A child watch of GLib would do, but for old kernels, where it needs the missing thread too. */
static void
watch_child (ExitWatch *watch)
{
  g_autoptr (GSource) source = NULL;

  watch->fd = (int) syscall (SYS_pidfd_open, watch->pid, 0);
  if (watch->fd < 0)
    {
      watch->timer = parallel_engine_add_timer (g_get_monotonic_time () + REAP_INTERVAL, reap_cb, watch);
      return;
    }

  source = g_unix_fd_source_new (watch->fd, G_IO_IN);
  g_source_set_static_name (source, "[parallel] end of a program");
  g_source_set_callback (source, G_SOURCE_FUNC (readable_cb), watch, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
}

static void
watch_exit (GSubprocess      *subprocess,
            int               pid,
            gboolean          is_trial,
            ParallelExitFunc  callback,
            gpointer          user_data)
{
  ExitWatch *watch = g_new0 (ExitWatch, 1);

  watch->pid = pid;
  watch->fd = -1;
  watch->is_trial = is_trial;
  watch->callback = callback;
  watch->user_data = user_data;

  if (subprocess == NULL)
    {
      watch_child (watch);
      return;
    }
  if (pid != 0)
    open_process (watch);
  else
    watch->unseen = !no_info;
  g_subprocess_wait_async (subprocess, watch->cancellable, subprocess_exited_cb, watch);
}

void
parallel_exit_watch (GSubprocess      *subprocess,
                     int               pid,
                     ParallelExitFunc  callback,
                     gpointer          user_data)
{
  watch_exit (subprocess, pid, FALSE, callback, user_data);
}

void
parallel_exit_watch_trial (GSubprocess      *subprocess,
                           int               pid,
                           ParallelExitFunc  callback,
                           gpointer          user_data)
{
  watch_exit (subprocess, pid, TRUE, callback, user_data);
}

void
parallel_exit_set_trial (ParallelExitTrial trial)
{
  start_trial = trial;
}

gboolean
parallel_exit_knows_thief (void)
{
  return thief_known;
}

void
parallel_exit_report_thief (void)
{
  thief_known = TRUE;
}

gboolean
parallel_exit_check_child_signal (GError **error)
{
  struct sigaction action;

  if (sigaction (SIGCHLD, NULL, &action) != 0)
    return TRUE;

  if ((action.sa_flags & SA_NOCLDWAIT) == 0
      && ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_IGN))
    return TRUE;

  g_set_error_literal (error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED,
                       "No program can be started while this one ignores SIGCHLD (or inherited "
                       "that): every exit status would be lost, and failures would look like "
                       "successes. Restore the default first: signal (SIGCHLD, SIG_DFL)");
  return FALSE;
}

gboolean
parallel_exit_has_child_handler (void)
{
  struct sigaction action;

  return sigaction (SIGCHLD, NULL, &action) == 0
         && ((action.sa_flags & SA_SIGINFO) != 0
             || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN));
}
