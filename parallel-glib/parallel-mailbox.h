/* parallel-mailbox.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Calls from any thread into one main context, in the order in which they were posted.
 *
 * A list under a lock and one GSource that is made ready, never a source a call. One dispatch
 * takes at most about half a millisecond, then the host's other sources have their turn. */
typedef struct _ParallelMailbox ParallelMailbox;

typedef struct _ParallelMail ParallelMail;

/* Called in the mailbox's context; owns @mail. @closed: nobody is interested any more, only free
 * what it holds. */
typedef void (*ParallelMailFunc) (ParallelMail *mail,
                                  gboolean      closed);

/* To be the first member of what is posted. */
struct _ParallelMail
{
  ParallelMail     *next;
  ParallelMailFunc  func;
};

/* @context: NULL for the global default one. Attaches a source to it, which
 *   parallel_mailbox_close() removes. */
ParallelMailbox *parallel_mailbox_new       (GMainContext     *context,
                                             const char       *name);
ParallelMailbox *parallel_mailbox_ref       (ParallelMailbox  *self);
void             parallel_mailbox_unref     (ParallelMailbox  *self);

/* Any thread. Takes @mail. After parallel_mailbox_close(), calls @func as closed, at once. */
void             parallel_mailbox_post      (ParallelMailbox  *self,
                                             ParallelMail     *mail,
                                             ParallelMailFunc  func);

/* In the context: delivers what is there, in its time budget. Returns whether something is left. */
gboolean         parallel_mailbox_deliver   (ParallelMailbox  *self);

/* In the context. While set, @waker is woken by what is posted: for a wait that delivers by
 * itself. Returns the one before, to be set again at the end. */
GMainContext    *parallel_mailbox_set_waker (ParallelMailbox  *self,
                                             GMainContext     *waker);

/* In the context: calls all that is left as closed. */
void             parallel_mailbox_close     (ParallelMailbox  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelMailbox, parallel_mailbox_unref)

G_END_DECLS
