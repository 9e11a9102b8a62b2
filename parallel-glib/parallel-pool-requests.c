/* parallel-pool-requests.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-pool.h"

#include <sys/ioctl.h>
#include <unistd.h>

/* What a worker is given to do, and what is taken back of it. */

/* More than there ever are in the pipe, for a worker that reads them. */
#define MAX_CLAIMS 128

/* Small inputs travel together with the head. */
static void
send_request (ParallelPoolWorker  *self,
              GByteArray         **head,
              ParallelPoolRequest *request)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (request->input, &size);

  parallel_frame_put_request (*head, request->serial, request->claimed ? PARALLEL_FRAME_CLAIMED : 0, size);
  if (size <= 4096)
    g_byte_array_append (*head, data, size);
  else
    {
      g_autoptr (GBytes) bytes = g_byte_array_free_to_bytes (g_steal_pointer (head));

      parallel_worker_link_send (self->link, bytes);
      parallel_worker_link_send (self->link, request->input);
      *head = g_byte_array_new ();
    }
  g_clear_pointer (&request->input, g_bytes_unref);
}

gboolean
parallel_pool_worker_reads_claims (ParallelPoolWorker *self)
{
  int size = 0;

  return ioctl (self->claim_fds[0], FIONREAD, &size) < 0 || size / sizeof (guint64) <= self->requests.length;
}

/* There is always room for the few that wait, since the worker reads them, and this side has the other end too. */
static void
add_claim (ParallelPoolWorker  *self,
           ParallelPoolRequest *request)
{
  guint64 serial = GUINT64_TO_LE (request->serial);
  gssize n = write (self->claim_fds[1], &serial, sizeof serial);

  g_assert (n == sizeof serial);
}

static gsize
get_size (const ParallelPoolRequest *request)
{
  return PARALLEL_FRAME_REQUEST_HEAD + g_bytes_get_size (request->input);
}

/* Sends those of the first @n_requests that fit into a frame, at least one. Returns their number. */
static guint
give_frame (ParallelPoolWorker   *self,
            ParallelPoolRequest **requests,
            guint                 n_requests)
{
  gsize limit = parallel_worker_task_get_frame_limit (self->pool->task) - 1;
  g_autoptr (GByteArray) head = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  gsize size = get_size (requests[0]);
  guint n = 1;

  for (; n < n_requests && size + get_size (requests[n]) <= limit; n++)
    size += get_size (requests[n]);

  parallel_frame_put_head (head, PARALLEL_FRAME_RUN, size);
  for (guint i = 0; i < n; i++)
    {
      requests[i]->serial = ++self->pool->last_serial;
      requests[i]->claimed = !requests[i]->begun;
      if (requests[i]->claimed)
        add_claim (self, requests[i]);
      if (g_queue_is_empty (&self->requests))
        self->began = g_get_monotonic_time ();
      g_queue_push_tail (&self->requests, requests[i]);
      send_request (self, &head, requests[i]);
    }

  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&head));
  parallel_worker_link_send (self->link, bytes);
  return n;
}

void
parallel_pool_worker_give (ParallelPoolWorker   *self,
                           ParallelPoolRequest **requests,
                           guint                 n_requests)
{
  for (guint i = 0; i < n_requests;)
    i += give_frame (self, requests + i, n_requests - i);

  parallel_worker_link_flush (self->link);
}

/* One that has gone would take its step with it. But one that has not done any step gets one all the same: a worker
 * that always goes at once is not to be started for ever. */
gboolean
parallel_pool_worker_is_up (ParallelPoolWorker *self)
{
  return self->state == PARALLEL_POOL_WORKER_UP && !self->exited && !(self->deaf && self->n_done > 0);
}

gboolean
parallel_pool_worker_is_idle (ParallelPoolWorker *self)
{
  return g_queue_is_empty (&self->requests) && parallel_pool_worker_is_up (self);
}

ParallelPoolRequest *
parallel_pool_worker_find (ParallelPoolWorker *self,
                           guint64             serial)
{
  for (GList *l = self->requests.head; l != NULL; l = l->next)
    {
      ParallelPoolRequest *request = l->data;

      if (request->serial == serial)
        return request;
    }

  return NULL;
}

/* What has begun has a slot already, and so it comes before all that needs one. */
static void
push_in_front (ParallelWorkerPool  *pool,
               ParallelPoolRequest *request)
{
  GList *l = pool->queue.head;

  while (!request->begun && l != NULL && ((ParallelPoolRequest *) l->data)->begun)
    l = l->next;
  g_queue_insert_before (&pool->queue, l, request);
}

static void
take_back (ParallelPoolWorker *self,
           guint64             serial,
           GQueue             *taken)
{
  ParallelPoolRequest *request = parallel_pool_worker_find (self, serial);

  if (request == NULL)
    return;

  /* It cannot have been done. */
  request->marked = FALSE;
  g_clear_pointer (&request->payload, g_bytes_unref);
  g_queue_remove (&self->requests, request);
  g_queue_push_tail (taken, request);
}

/* The numbers that are still in the pipe are of requests that the worker has not begun, and now never
 * will. The first request may be one of them, when it has begun for the run and the worker was not there yet.
 *
 * They are read all at once, which the kernel does without the worker coming in between: else it could get the second
 * when the first was taken back, and do what has not begun. */
void
parallel_pool_worker_recall (ParallelPoolWorker *self)
{
  guint64 serials[MAX_CLAIMS];
  GQueue taken = G_QUEUE_INIT;
  ParallelPoolRequest *request;
  gssize size;

  if (self->claim_fds[0] < 0)
    return;

  while ((size = read (self->claim_fds[0], serials, sizeof serials)) > 0)
    for (gsize i = 0; i < size / sizeof serials[0]; i++)
      take_back (self, GUINT64_FROM_LE (serials[i]), &taken);

  while ((request = g_queue_pop_tail (&taken)) != NULL)
    {
      request->input = parallel_worker_task_encode (self->pool->task, request->step);
      push_in_front (self->pool, request);
    }
}
