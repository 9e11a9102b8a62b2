/* parallel-frame.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The frames of docs/worker-protocol.md, both ways. Nothing here reads or writes a descriptor. No lock: each
 * reader belongs to one thread. */

#define PARALLEL_FRAME_VERSION         1
#define PARALLEL_FRAME_MAGIC           "PGLW"
#define PARALLEL_FRAME_HANDSHAKE_LIMIT 65536u
#define PARALLEL_FRAME_TOKEN_SIZE      16
#define PARALLEL_FRAME_MARK_SIZE       24

typedef enum
{
  PARALLEL_FRAME_START = 1,
  PARALLEL_FRAME_SETUP,
  PARALLEL_FRAME_RUN,
  PARALLEL_FRAME_LEAVE,
  PARALLEL_FRAME_READY = 65,
  PARALLEL_FRAME_SET_UP,
  PARALLEL_FRAME_RESULT,
  PARALLEL_FRAME_ALIVE,
  PARALLEL_FRAME_LEFT
} ParallelFrameKind;

/* Descriptors that come with the first byte of START. */
#define PARALLEL_FRAME_HAS_CLAIMS (1u << 0)
#define PARALLEL_FRAME_HAS_STACKS (1u << 1)

/* Flags of a request. */
#define PARALLEL_FRAME_CLAIMED    (1u << 0)

typedef enum
{
  PARALLEL_OUTCOME_DONE,
  PARALLEL_OUTCOME_FAILED,
  PARALLEL_OUTCOME_NOTHING
} ParallelOutcomeKind;

/* Points into the frame. */
typedef struct
{
  ParallelOutcomeKind  kind;
  const guint8        *message;       /* of a failure; any bytes */
  gsize                message_size;
  const guint8        *data;          /* the result, or the details of a failure */
  gsize                size;
} ParallelOutcome;

typedef struct
{
  guint         descriptors;
  guint32       frame_limit;
  const guint8 *token;
} ParallelFrameStart;

typedef struct
{
  guint         descriptors;
  guint32       pid;
  guint         stack_signal;
  const char   *host;                 /* any bytes */
  gsize         host_size;
} ParallelFrameReady;

typedef struct
{
  guint64       serial;
  guint         flags;
  const guint8 *data;
  gsize         size;
} ParallelFrameRequest;

/* ---- reading: bytes in any pieces, frames out ---- */

typedef struct _ParallelFrameReader ParallelFrameReader;

ParallelFrameReader *parallel_frame_reader_new       (guint32               limit);
void                 parallel_frame_reader_free      (ParallelFrameReader  *self);
void                 parallel_frame_reader_set_limit (ParallelFrameReader  *self,
                                                      guint32               limit);

/* Where the next bytes go, and how many may: at least 1. The memory held grows with what has really come,
 * never with what a length promises. Then tell how many came, and take what is complete before the next. */
guint8              *parallel_frame_reader_reserve   (ParallelFrameReader  *self,
                                                      gsize                *room);
void                 parallel_frame_reader_commit    (ParallelFrameReader  *self,
                                                      gsize                 n_bytes);

/* The next whole frame: its kind, and its payload, as a GBytes without a copy for a big one, whose data (the
 * first request's input, the result) is aligned for a GVariant. NULL without an error: not all of it is there yet. NULL
 * with an error (G_IO_ERROR_INVALID_DATA): a length of 0 or beyond the limit; the reader is of no use any more. */
GBytes              *parallel_frame_reader_take      (ParallelFrameReader  *self,
                                                      guint                *kind,
                                                      GError              **error);

/* Bytes of a frame that is not complete yet. */
gsize                parallel_frame_reader_get_pending (ParallelFrameReader *self);

/* ---- payloads. The readers point into @payload, and fail with G_IO_ERROR_INVALID_DATA ---- */

gboolean  parallel_frame_parse_start   (GBytes                *payload,
                                        ParallelFrameStart    *start,
                                        GError               **error);
gboolean  parallel_frame_parse_ready   (GBytes                *payload,
                                        ParallelFrameReady    *ready,
                                        GError               **error);
/* The request at @offset of RUN, which is moved to the next. FALSE without an error at the end. */
gboolean  parallel_frame_next_request  (GBytes                *payload,
                                        gsize                 *offset,
                                        ParallelFrameRequest  *request,
                                        GError               **error);
/* SET_UP and LEFT. */
gboolean  parallel_frame_parse_outcome (GBytes                *payload,
                                        ParallelOutcome       *outcome,
                                        GError               **error);
gboolean  parallel_frame_parse_result  (GBytes                *payload,
                                        guint64               *serial,
                                        ParallelOutcome       *outcome,
                                        GError               **error);
gboolean  parallel_frame_parse_alive   (GBytes                *payload,
                                        double                *progress,
                                        const char           **status,
                                        gsize                 *status_size,
                                        GError               **error);

/* ---- writing: all append to @buffer. What is big is not copied: the head goes into the buffer, with the
 *      length of the whole frame, and the data is to be written right after it ---- */

void      parallel_frame_put_start     (GByteArray               *buffer,
                                        const ParallelFrameStart *start);
void      parallel_frame_put_ready     (GByteArray               *buffer,
                                        const ParallelFrameReady *ready);
/* A frame of @kind with a payload of @size bytes that the caller appends: SETUP, RUN, LEAVE. */
void      parallel_frame_put_head      (GByteArray               *buffer,
                                        ParallelFrameKind         kind,
                                        gsize                     size);
/* The 13 bytes in front of a request's input. */
#define PARALLEL_FRAME_REQUEST_HEAD 13
void      parallel_frame_put_request   (GByteArray               *buffer,
                                        guint64                   serial,
                                        guint                     flags,
                                        gsize                     size);
/* Everything of SET_UP or LEFT but the outcome's data. */
void      parallel_frame_put_outcome   (GByteArray               *buffer,
                                        ParallelFrameKind         kind,
                                        const ParallelOutcome    *outcome);
/* The same of RESULT. */
void      parallel_frame_put_result    (GByteArray               *buffer,
                                        guint64                   serial,
                                        const ParallelOutcome    *outcome);
void      parallel_frame_put_alive     (GByteArray               *buffer,
                                        double                    progress,
                                        const char               *status);
/* What is written into the output at the end of a step. */
void      parallel_frame_put_mark      (GByteArray               *buffer,
                                        const guint8             *token,
                                        guint64                   serial);

/* ---- marks, found in a stream that comes in any pieces ---- */

typedef struct
{
  guint8  token[PARALLEL_FRAME_TOKEN_SIZE];
  guint8  held[PARALLEL_FRAME_MARK_SIZE];   /* the end of what came, which may begin a mark */
  gsize   n_held;
} ParallelMarkFinder;

/* Plain bytes of the stream. */
typedef void (*ParallelMarkDataFunc) (const guint8 *data,
                                      gsize         size,
                                      gpointer      user_data);
typedef void (*ParallelMarkFunc)     (guint64       serial,
                                      gpointer      user_data);

/* Hands out what is plain and what is a mark, in order. */
void      parallel_mark_finder_feed    (ParallelMarkFinder   *self,
                                        const guint8         *data,
                                        gsize                 size,
                                        ParallelMarkDataFunc  plain,
                                        ParallelMarkFunc      mark,
                                        gpointer              user_data);
/* The stream has ended: what was held is plain. */
void      parallel_mark_finder_end     (ParallelMarkFinder   *self,
                                        ParallelMarkDataFunc  plain,
                                        gpointer              user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelFrameReader, parallel_frame_reader_free)

G_END_DECLS
