/* parallel-worker-link.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-frame.h"

G_BEGIN_DECLS

/* The three descriptors of a worker, seen from the runner: its input, its answers and its output. It never blocks.
 * Engine thread only.
 *
 * A function of the table may use the link, but not free it. */
typedef struct _ParallelWorkerLink ParallelWorkerLink;

typedef struct
{
  /* A frame from the worker. */
  void (*frame)  (gpointer      owner,
                  guint         kind,
                  GBytes       *payload);
  /* Bytes of its output, and the end of a step in them. */
  void (*output) (gpointer      owner,
                  const guint8 *data,
                  gsize         size);
  void (*mark)   (gpointer      owner,
                  guint64       serial);
  /* The worker has closed its answers, or its input; it has ended, or should. */
  void (*ended)  (gpointer      owner);
  /* The worker speaks nonsense, once. Takes @error. */
  void (*broken) (gpointer      owner,
                  GError       *error);
} ParallelWorkerLinkFuncs;

/* Takes the descriptors, which are non-blocking; @input_fd is a socket. */
ParallelWorkerLink *parallel_worker_link_new  (int                            input_fd,
                                               int                            answers_fd,
                                               int                            output_fd,
                                               const guint8                  *token,
                                               const ParallelWorkerLinkFuncs *funcs,
                                               gpointer                       owner);
void     parallel_worker_link_free            (ParallelWorkerLink            *self);

/* Sends @head, whose contents are taken, with @fds at its first byte; the first thing to be sent. FALSE with
 * errno. */
gboolean parallel_worker_link_start           (ParallelWorkerLink            *self,
                                               GByteArray                    *head,
                                               const int                     *fds,
                                               guint                          n_fds);
/* Puts it into the line. */
void     parallel_worker_link_send            (ParallelWorkerLink            *self,
                                               GBytes                        *bytes);
/* Sends what it can of the line at once; the rest follows by itself. */
void     parallel_worker_link_flush           (ParallelWorkerLink            *self);
/* Nothing more will be sent; the worker sees the end of its input. */
void     parallel_worker_link_close_input     (ParallelWorkerLink            *self);

/* Reads the output that is there now; nothing where that is being done already. */
void     parallel_worker_link_read_output     (ParallelWorkerLink            *self);
/* The same for the answers. */
void     parallel_worker_link_read_answers    (ParallelWorkerLink            *self);
/* Whether nobody can answer any more, although that is not read yet. */
gboolean parallel_worker_link_has_hung_up     (ParallelWorkerLink            *self);
/* The worker has ended: reads all that it has left, and nothing after that. */
void     parallel_worker_link_drain           (ParallelWorkerLink            *self);

/* The frames may be of any size up to @limit from now on. */
void     parallel_worker_link_set_limit       (ParallelWorkerLink            *self,
                                               guint32                        limit);

G_END_DECLS
