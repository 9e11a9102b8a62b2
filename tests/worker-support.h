/* worker-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "parallel-frame.h"

G_BEGIN_DECLS

/* The worker: what main() does if the first argument is "worker". */
int      worker_program       (int           argc,
                               char        **argv);

/* The runner's side of the worker protocol, as plain as can be: bytes in and out of a worker, which is this program, started
 * again with the arguments "worker" and @mode. */

typedef enum
{
  ENGINE_PLAIN = 0,
  ENGINE_SOCKET = 1 << 0,            /* the worker's input is a socket */
  ENGINE_CLAIMS = 1 << 1,            /* and brings claims */
  ENGINE_NONBLOCKING = 1 << 2,       /* the worker's ends are */
  ENGINE_ENVIRONMENT = 1 << 3,       /* started with the variable rather than the argument */
  ENGINE_TERMINAL = 1 << 4           /* the worker's input is a terminal */
} EngineFlags;

typedef struct
{
  int                  pid;
  int                  in;            /* to the worker's standard input */
  int                  out;
  int                  err;
  int                  claims[2];
  EngineFlags          flags;
  guint32              limit;
  ParallelFrameReader *reader;
  guint8               token[PARALLEL_FRAME_TOKEN_SIZE];
} Engine;

Engine  *engine_start         (const char   *mode,
                               EngineFlags   flags);
/* With START said, and READY heard. */
Engine  *engine_start_ready   (const char   *mode,
                               EngineFlags   flags);
/* All that is left to read: nothing of frames, and @output or NULL; and the worker's end: its exit status, or minus the signal that
 * it died of. */
void     engine_finish        (Engine       *self,
                               int           expected_status,
                               const char   *expected_output);
void     engine_leave         (Engine       *self,
                               guint         expected_left);

void     engine_write         (Engine       *self,
                               const void   *data,
                               gsize         size);
void     engine_say_start     (Engine       *self,
                               guint         descriptors);
/* A value as the protocol has it. */
GBytes  *engine_serialise     (GVariant     *value);
#define STR(text) g_variant_new_string (text)

/* A RUN with one request. */
void     engine_request       (Engine       *self,
                               guint64       serial,
                               guint         flags,
                               GVariant     *input);
void     engine_put_request   (GByteArray   *requests,
                               guint64       serial,
                               guint         flags,
                               GVariant     *input);
/* A frame with @payload. */
void     engine_frame         (Engine       *self,
                               guint         kind,
                               const void   *payload,
                               gsize         size);

/* The next frame, which must be of that kind. */
GBytes  *engine_expect        (Engine       *self,
                               guint         kind);
/* The value of a result, which must be of that step and done. */
GVariant *engine_expect_result (Engine      *self,
                               guint64       serial);
void     engine_expect_text   (Engine       *self,
                               guint64       serial,
                               const char   *expected);
void     engine_put_claim     (Engine       *self,
                               guint64       serial);
/* A failure, and its details, if @domain is not NULL. */
void     engine_expect_failure (Engine      *self,
                               guint64       serial,
                               const char   *message,
                               const char   *domain,
                               int           code,
                               const char   *whole_message);
void     check_failed_outcome (const ParallelOutcome *outcome,
                               const char   *message,
                               const char   *domain,
                               int           code,
                               const char   *whole_message);
/* What is in the output now, without waiting, where marks look like <7>. */
char    *engine_look          (Engine       *self);
void     engine_expect_output (Engine       *self,
                               const char   *expected);

G_END_DECLS
