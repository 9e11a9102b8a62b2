/* parallel-remote-command.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-command-task.h"
#include "parallel-step.h"

G_BEGIN_DECLS

/* A command that runs on another machine: how it and its end travel between the command task's pool and the worker
 * "parallel-glib-agent commands", as variants, and what the program prints, as pieces in the worker's output:
 *
 *   u8 stream; u32 little-endian size; so many bytes
 */

#define PARALLEL_REMOTE_PIECE_HEAD 5
#define PARALLEL_REMOTE_MAX_PIECE  (64 * 1024)

/* ---- here ---- */

/* The command of @step. Returns a floating reference. */
GVariant     *parallel_remote_dup_command    (ParallelCommandTask  *task,
                                              ParallelStep         *step);
/* Puts what is known of its end into @step. Returns the error that it ends with. */
GError       *parallel_remote_take_end       (ParallelStep         *step,
                                              GVariant             *end);

/* What is printed, in any pieces. */
typedef struct
{
  guint8 head[PARALLEL_REMOTE_PIECE_HEAD];
  guint  n_head;    /* of it that have come */
  gsize  n_left;    /* of the piece */
} ParallelPieces;

typedef void (*ParallelPieceFunc) (gpointer              user_data,
                                   ParallelOutputStream  stream,
                                   const guint8         *data,
                                   gsize                 size);
void          parallel_pieces_feed           (ParallelPieces       *self,
                                              const guint8         *data,
                                              gsize                 size,
                                              ParallelPieceFunc     func,
                                              gpointer              user_data);

/* ---- there ---- */

ParallelTask *parallel_remote_parse_command  (GVariant             *command,
                                              GError              **error);
/* Of a step that has ended. */
GVariant     *parallel_remote_describe_end   (ParallelStep         *step);
void          parallel_remote_put_piece      (guint8               *head,
                                              ParallelOutputStream  stream,
                                              gsize                 size);

G_END_DECLS
