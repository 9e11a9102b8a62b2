/* parallel-engine.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-engine.h"

#include <signal.h>

#include "parallel-fork.h"

/* Guarded by engine_mutex; once made, constant until the process ends. */
static GMutex engine_mutex;
static GThread *engine_thread;
static GMainContext *engine_context;
static ParallelMailbox *engine_mailbox;

static gpointer
engine_thread_func (gpointer data)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (engine_context, FALSE);

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

static void
add_fork_handler (void)
{
  static gboolean added;

  if (!added)
    parallel_fork_add (forked);
  added = TRUE;
}

gboolean
parallel_engine_start (GError **error)
{
  gboolean running;

  g_mutex_lock (&engine_mutex);
  if (engine_context == NULL)
    {
      add_fork_handler ();
      engine_context = g_main_context_new ();
      engine_mailbox = parallel_mailbox_new (engine_context, "[parallel] engine");
    }
  if (engine_thread == NULL)
    engine_thread = start_thread (error);
  running = engine_thread != NULL;
  g_mutex_unlock (&engine_mutex);

  if (!running)
    g_prefix_error (error, "No thread could be started to run steps: ");
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
