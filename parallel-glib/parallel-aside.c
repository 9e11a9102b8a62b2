/* parallel-aside.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-aside.h"

#include <signal.h>

#include "parallel-engine.h"

typedef struct
{
  ParallelMail      mail;
  gatomicrefcount   ref_count;

  /* Constant. */
  ParallelAsideWork work;
  ParallelAsideDone done;
  gpointer          data;
  GDestroyNotify    free;

  /* Engine thread only. */
  GSource          *timer;        /* NULL when done was called */
} Aside;

static void
aside_unref (Aside *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  self->free (self->data);
  g_free (self);
}

/* Gives up the engine's reference. */
static void
finish (Aside    *self,
        gboolean  in_time)
{
  g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  self->done (self->data, in_time);
  aside_unref (self);
}

static gboolean
over_cb (gpointer user_data)
{
  finish (user_data, FALSE);

  return G_SOURCE_REMOVE;
}

static void
worked (ParallelMail *mail,
        gboolean      closed)
{
  Aside *self = (Aside *) mail;

  if (self->timer != NULL)
    finish (self, TRUE);
  aside_unref (self);
}

static gpointer
aside_thread (gpointer data)
{
  Aside *self = data;

  self->work (self->data);
  parallel_engine_post (&self->mail, worked);

  return NULL;
}

void
parallel_aside (ParallelAsideWork  work,
                ParallelAsideDone  done,
                gpointer           data,
                GDestroyNotify     free,
                gint64             limit)
{
  Aside *self = g_new0 (Aside, 1);
  GThread *thread;

  g_atomic_ref_count_init (&self->ref_count);
  g_atomic_ref_count_inc (&self->ref_count);   /* one for the engine, one for the thread */
  self->work = work;
  self->done = done;
  self->data = data;
  self->free = free;
  self->timer = parallel_engine_add_timer (g_get_monotonic_time () + limit, over_cb, self);

  /* It inherits the engine's mask: no handler of the program's runs in it. */
  thread = g_thread_try_new ("parallel-aside", aside_thread, self, NULL);
  if (thread != NULL)
    g_thread_unref (thread);
  else
    aside_thread (self);
}
