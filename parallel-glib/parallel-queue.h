/* parallel-queue.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-step.h"

G_BEGIN_DECLS

typedef struct _ParallelItem ParallelItem;

/* One entry of a run: small, because a million of them may wait. The step, a GObject, is made
 * when the item starts or when somebody wants to see it. All but the count is guarded by the
 * run's lock. */
struct _ParallelItem
{
  gatomicrefcount  ref_count;
  int              priority;
  ParallelItem    *previous;      /* in the one queue or list that the item is in */
  ParallelItem    *next;
  gint64           index;
  ParallelStep    *step;          /* a reference, or NULL */
  gpointer         worker;        /* the ParallelWorkerThread that runs it, if one does */
  GValue           input;         /* until there is a step */
  guint            running : 1;
  guint            handed : 1;    /* to a pool, which has not begun it yet */
  guint            skipped : 1;   /* will never run */
  guint            kept : 1;      /* settled, and in the list of what is kept */
  guint            onexit : 1;    /* not an input: the onexit of a worker */
  guint            cancelled : 1; /* to fail when its turn comes */
  guint            in_loop : 1;   /* asynchronous, and started by the owner's main loop */
};

ParallelItem *parallel_item_new   (void);
ParallelItem *parallel_item_ref   (ParallelItem *item);
/* The caller holds no lock: this may free a value of the user's. */
void          parallel_item_unref (ParallelItem *item);
/* Gives the item's reference to its step, if that was the last one to the item, to the caller; or NULL. */
ParallelStep *parallel_item_release (ParallelItem *item);

/* A doubly linked list of items, linked through the items themselves. Owns a reference to each. */
typedef struct
{
  ParallelItem *first;
  ParallelItem *last;
  guint         length;
} ParallelItemList;

void          parallel_item_list_push_tail (ParallelItemList *list,
                                            ParallelItem     *item);
void          parallel_item_list_push_head (ParallelItemList *list,
                                            ParallelItem     *item);
void          parallel_item_list_remove    (ParallelItemList *list,
                                            ParallelItem     *item);
/* Gives the reference to the caller; NULL when empty. */
ParallelItem *parallel_item_list_pop       (ParallelItemList *list);

/* The items that wait: in the order of their priorities, equal ones in the order in which they
 * came. Push and pop cost O(log n) in the number of different priorities. */
typedef struct
{
  ParallelItemList  normal;     /* priority 0, almost always the only one */
  GTree            *others;     /* of ParallelItemList by priority, or NULL */
  guint             length;
} ParallelQueue;

void          parallel_queue_push      (ParallelQueue *self,
                                        ParallelItem  *item);
/* In front of its equals. */
void          parallel_queue_push_head (ParallelQueue *self,
                                        ParallelItem  *item);
ParallelItem *parallel_queue_peek      (ParallelQueue *self);
ParallelItem *parallel_queue_pop       (ParallelQueue *self);
void          parallel_queue_remove    (ParallelQueue *self,
                                        ParallelItem  *item);
void          parallel_queue_foreach   (ParallelQueue *self,
                                        GFunc          func,
                                        gpointer       user_data);
void          parallel_queue_clear     (ParallelQueue *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelItem, parallel_item_unref)

G_END_DECLS
