/* parallel-mailbox.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-mailbox.h"

#include "parallel-fork.h"

/* How long one dispatch may take, and how long the others are left alone when there is more, in
 * microseconds. */
#define DISPATCH_BUDGET 500
#define DISPATCH_PAUSE  100

/* The clock is read only after so many calls: reading it costs as much as a small call. */
#define CALLS_PER_CLOCK 16

typedef struct
{
  GSource          source;

  /* Constant; borrowed, the mailbox outlives its source. */
  ParallelMailbox *box;
} MailSource;

struct _ParallelMailbox
{
  gatomicrefcount  ref_count;

  /* Constant after construction. */
  GSource         *source;
  int              generation;        /* of the process that made it */

  /* The context only. */
  ParallelMail    *current;           /* taken from the list, not yet called */

  /* Guarded by mutex. */
  GMutex           mutex;
  ParallelMail    *first;
  ParallelMail   **last;
  GMainContext    *waker;
  gboolean         closed;
};

static gboolean
dispatch_cb (GSource     *source,
             GSourceFunc  callback,
             gpointer     user_data)
{
  g_autoptr (ParallelMailbox) box = parallel_mailbox_ref (((MailSource *) source)->box);

  /* In a forked child: what is in it was meant for the parent. */
  if (box->generation != parallel_fork_generation)
    return G_SOURCE_REMOVE;

  g_source_set_ready_time (source, -1);
  if (parallel_mailbox_deliver (box))
    g_source_set_ready_time (source, g_get_monotonic_time () + DISPATCH_PAUSE);

  return G_SOURCE_CONTINUE;
}

static GSourceFuncs mail_source_funcs =
{
  .dispatch = dispatch_cb,
};

ParallelMailbox *
parallel_mailbox_new (GMainContext *context,
                      const char   *name)
{
  ParallelMailbox *self = g_new0 (ParallelMailbox, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->mutex);
  parallel_fork_install ();
  self->generation = parallel_fork_generation;
  self->last = &self->first;
  self->source = g_source_new (&mail_source_funcs, sizeof (MailSource));
  ((MailSource *) self->source)->box = self;
  g_source_set_static_name (self->source, name);
  g_source_attach (self->source, context);

  return self;
}

ParallelMailbox *
parallel_mailbox_ref (ParallelMailbox *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
parallel_mailbox_unref (ParallelMailbox *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->first == NULL && self->current == NULL);
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

void
parallel_mailbox_post (ParallelMailbox  *self,
                       ParallelMail     *mail,
                       ParallelMailFunc  func)
{
  gboolean was_empty;
  gboolean closed;

  mail->next = NULL;
  mail->func = func;

  g_mutex_lock (&self->mutex);
  closed = self->closed;
  if (!closed)
    {
      was_empty = self->first == NULL;
      *self->last = mail;
      self->last = &mail->next;
      if (was_empty)
        {
          g_source_set_ready_time (self->source, 0);
          if (self->waker != NULL)
            g_main_context_wakeup (self->waker);
        }
    }
  g_mutex_unlock (&self->mutex);

  if (closed)
    func (mail, TRUE);
}

/* Moves what was posted behind what is still to be called. */
static gboolean
take_posted (ParallelMailbox *self)
{
  g_mutex_lock (&self->mutex);
  self->current = self->first;
  self->first = NULL;
  self->last = &self->first;
  g_mutex_unlock (&self->mutex);

  return self->current != NULL;
}

gboolean
parallel_mailbox_deliver (ParallelMailbox *self)
{
  gint64 deadline = 0;

  for (guint n = 1; self->current != NULL || take_posted (self); n++)
    {
      ParallelMail *mail = self->current;

      /* A call may deliver in its turn (a wait inside of a callback), so the list is in order
       * before each. */
      self->current = mail->next;
      mail->func (mail, FALSE);

      if (n % CALLS_PER_CLOCK != 1)
        continue;
      if (deadline == 0)
        deadline = g_get_monotonic_time () + DISPATCH_BUDGET;
      else if (g_get_monotonic_time () >= deadline)
        break;
    }

  if (self->current != NULL)
    return TRUE;

  g_mutex_lock (&self->mutex);
  gboolean more = self->first != NULL;
  g_mutex_unlock (&self->mutex);
  return more;
}

GMainContext *
parallel_mailbox_set_waker (ParallelMailbox *self,
                            GMainContext    *waker)
{
  GMainContext *previous;

  g_mutex_lock (&self->mutex);
  previous = self->waker;
  self->waker = waker;
  g_mutex_unlock (&self->mutex);

  return previous;
}

void
parallel_mailbox_close (ParallelMailbox *self)
{
  g_mutex_lock (&self->mutex);
  self->closed = TRUE;
  g_mutex_unlock (&self->mutex);

  g_source_destroy (self->source);
  while (self->current != NULL || take_posted (self))
    {
      ParallelMail *mail = self->current;

      self->current = mail->next;
      mail->func (mail, TRUE);
    }
}
