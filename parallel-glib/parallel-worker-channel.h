/* parallel-worker-channel.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>
#include <sys/uio.h>

#include "parallel-frame.h"

G_BEGIN_DECLS

/* A worker's end of docs/worker-protocol.md: its descriptors. No lock: one thread reads, and whoever
 * writes sees to it that nobody else does at the same time.
 *
 * Errors: G_IO_ERROR_BROKEN_PIPE where the other end has gone, G_IO_ERROR_INVALID_DATA where it does not speak the
 * protocol. */

typedef struct
{
  /* Constant after the handshake. */
  int                  in_fd;
  int                  out_fd;
  int                  stream_fd;       /* what the steps print */
  int                  claims_fd;       /* -1 without claims */
  gboolean             is_socket;
  guint                descriptors;
  guint32              frame_limit;
  guint8               token[PARALLEL_FRAME_TOKEN_SIZE];

  /* Of the thread that reads. */
  ParallelFrameReader *reader;
  GArray              *received;        /* of int: descriptors that came with the first byte; then NULL */
  guint64              claim;           /* read from the pipe, of a request that is yet to come; or 0 */
} ParallelWorkerChannel;

/* Takes the standard input and output away from the program, for good. @self has not to be anything before. */
gboolean parallel_worker_channel_open   (ParallelWorkerChannel  *self,
                                         GError                **error);
void     parallel_worker_channel_close  (ParallelWorkerChannel  *self);
/* Waits for START and answers it. */
gboolean parallel_worker_channel_greet  (ParallelWorkerChannel  *self,
                                         GError                **error);
/* Waits for the next frame. */
GBytes  *parallel_worker_channel_read   (ParallelWorkerChannel  *self,
                                         guint                  *kind,
                                         GError                **error);
/* Writes a frame, all of it; @parts is changed. Before it, if @with_mark, the mark of @serial into the stream. */
gboolean parallel_worker_channel_write  (ParallelWorkerChannel  *self,
                                         gboolean                with_mark,
                                         guint64                 serial,
                                         struct iovec           *parts,
                                         guint                   n_parts,
                                         GError                **error);
/* Whether the claimed request @serial is still to be done. */
gboolean parallel_worker_channel_claim  (ParallelWorkerChannel  *self,
                                         guint64                 serial,
                                         gboolean               *claimed,
                                         GError                **error);

G_END_DECLS
