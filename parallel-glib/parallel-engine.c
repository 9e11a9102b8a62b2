/* parallel-engine.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-engine.h"

#include <errno.h>
#include <gio/gio.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parallel-fork.h"

/* Guarded by engine_mutex; once made, constant until the process ends. */
static GMutex engine_mutex;
static GThread *engine_thread;
static GMainContext *engine_context;
static ParallelMailbox *engine_mailbox;

/* Another thread may take what was found here, but a program that is at its limit all the time is met with an
 * error. */
static gboolean
check_descriptors (guint    n,
                   GError **error)
{
  int fds[4];
  guint n_open = 0;
  int code = 0;

  g_assert (n <= G_N_ELEMENTS (fds));

  while (n_open < n && code == 0)
    {
      fds[n_open] = eventfd (0, EFD_CLOEXEC);
      if (fds[n_open] >= 0)
        n_open++;
      else
        code = errno;
    }
  while (n_open > 0)
    close (fds[--n_open]);

  if (code != 0)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code),
                 "No main context could be made to run steps: %s", g_strerror (code));
  return code == 0;
}

static gpointer
trial_thread_func (gpointer data)
{
  return GINT_TO_POINTER ((int) syscall (SYS_gettid));
}

/* Whether one thread more may be made. */
static gboolean
check_thread (GError **error)
{
  GThread *thread = g_thread_try_new ("parallel-trial", trial_thread_func, NULL, error);
  int id;

  if (thread == NULL)
    return FALSE;

  /* It is joined a moment before the kernel has counted it out. */
  id = GPOINTER_TO_INT (g_thread_join (thread));
  while (syscall (SYS_tgkill, getpid (), id, 0) == 0)
    sched_yield ();

  return TRUE;
}

/* GLib makes its worker thread, and the context of that, with the type of GTask, and ends the program if it
 * cannot. */
gboolean
parallel_glib_worker_try_start (GError **error)
{
  if (g_type_from_name ("GTask") == 0 && (!check_descriptors (2, error) || !check_thread (error)))
    return FALSE;

  g_type_ensure (G_TYPE_TASK);
  return TRUE;
}

void
parallel_source_clear (GSource **source)
{
  if (*source == NULL)
    return;

  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

GMainContext *
parallel_main_context_try_new (GError **error)
{
  if (!check_descriptors (1, error))
    return NULL;

  return g_main_context_new ();
}

static gint
poll_func (GPollFD *fds,
           guint    n_fds,
           gint     timeout)
{
  int result;
  int saved_errno;

  parallel_fork_end_work ();
  result = g_poll (fds, n_fds, timeout);
  saved_errno = errno;
  parallel_fork_begin_work ();
  errno = saved_errno;

  return result;
}

static gpointer
engine_thread_func (gpointer data)
{
  g_autoptr (GMainLoop) loop = NULL;

  parallel_fork_begin_work ();
  loop = g_main_loop_new (engine_context, FALSE);
  g_main_context_set_poll_func (engine_context, poll_func);
  g_main_context_push_thread_default (engine_context);
  g_main_loop_run (loop);

  return NULL;
}

/* The thread is the parent's; its context stays, since something may refer to it. */
static void
forked (void)
{
  g_mutex_init (&engine_mutex);
  engine_thread = NULL;
  engine_context = NULL;
  engine_mailbox = NULL;
}

/* A signal for the program must never be handled on the engine, and SIGPIPE must be an EPIPE
 * there. */
static GThread *
start_thread (GError **error)
{
  GThread *thread;
  sigset_t all;
  sigset_t before;

  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, &before);
  thread = g_thread_try_new ("parallel-engine", engine_thread_func, NULL, error);
  pthread_sigmask (SIG_SETMASK, &before, NULL);

  return thread;
}

gboolean
parallel_engine_start (GError **error)
{
  gboolean running;

  g_mutex_lock (&engine_mutex);
  if (engine_context == NULL && parallel_glib_worker_try_start (error))
    {
      parallel_fork_add_once (forked);
      engine_context = parallel_main_context_try_new (error);
      if (engine_context != NULL)
        engine_mailbox = parallel_mailbox_new (engine_context, "[parallel] engine");
    }
  if (engine_context != NULL && engine_thread == NULL)
    engine_thread = start_thread (error);
  running = engine_thread != NULL;
  g_mutex_unlock (&engine_mutex);

  if (!running)
    g_prefix_error (error, "The thread that runs programs and clocks could not be started: ");
  return running;
}

void
parallel_engine_post (ParallelMail     *mail,
                      ParallelMailFunc  func)
{
  parallel_mailbox_post (engine_mailbox, mail, func);
}

gboolean
parallel_engine_is_current (void)
{
  return engine_context != NULL && g_main_context_is_owner (engine_context);
}

static gboolean
timer_dispatch_cb (GSource     *source,
                   GSourceFunc  callback,
                   gpointer     user_data)
{
  g_source_set_ready_time (source, -1);

  return callback (user_data);
}

static GSourceFuncs timer_funcs =
{
  .dispatch = timer_dispatch_cb,
};

GSource *
parallel_engine_add_timer (gint64      ready_time,
                           GSourceFunc func,
                           gpointer    user_data)
{
  GSource *source = g_source_new (&timer_funcs, sizeof (GSource));

  g_assert (parallel_engine_is_current ());

  g_source_set_static_name (source, "[parallel] clock");
  g_source_set_ready_time (source, ready_time);
  g_source_set_callback (source, func, user_data, NULL);
  g_source_attach (source, engine_context);

  return source;
}
