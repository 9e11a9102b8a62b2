/* parallel-frame-payload.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-frame.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#define MAGIC_SIZE 4
#define KNOWN_DESCRIPTORS (PARALLEL_FRAME_HAS_CLAIMS | PARALLEL_FRAME_HAS_STACKS)

/* ---- reading ---- */

/* What is left of a payload. A read beyond its end gives 0 and is remembered, so that one look at the end is enough. */
typedef struct
{
  const guint8 *data;
  gsize         size;
  gboolean      truncated;
} Cursor;

static Cursor
cursor_of (GBytes *payload)
{
  Cursor cursor = { NULL, 0, FALSE };

  cursor.data = g_bytes_get_data (payload, &cursor.size);

  return cursor;
}

static const guint8 *
get_bytes (Cursor *cursor,
           gsize   size)
{
  const guint8 *data = cursor->data;

  if (size > cursor->size)
    {
      cursor->truncated = TRUE;
      cursor->size = 0;
      return NULL;
    }
  if (size > 0)
    cursor->data += size;
  cursor->size -= size;

  return data;
}

static guint64
get_number (Cursor *cursor,
            gsize   size)
{
  const guint8 *data = get_bytes (cursor, size);
  guint64 value = 0;

  if (data == NULL)
    return 0;
  for (gsize i = size; i > 0; i--)
    value = value << 8 | data[i - 1];

  return value;
}

static const guint8 *
get_rest (Cursor *cursor,
          gsize  *size)
{
  *size = cursor->size;

  return get_bytes (cursor, cursor->size);
}

static gboolean
fail (GError     **error,
      const char  *what)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, what);

  return FALSE;
}

static gboolean
check_version (guint    version,
               GError **error)
{
  if (version == PARALLEL_FRAME_VERSION)
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               "Version %u of the worker protocol, where only version %d is known", version, PARALLEL_FRAME_VERSION);

  return FALSE;
}

gboolean
parallel_frame_parse_start (GBytes              *payload,
                            ParallelFrameStart  *start,
                            GError             **error)
{
  Cursor cursor = cursor_of (payload);
  const guint8 *magic = get_bytes (&cursor, MAGIC_SIZE);
  guint version = get_number (&cursor, 2);

  if (magic == NULL || memcmp (magic, PARALLEL_FRAME_MAGIC, MAGIC_SIZE) != 0)
    return fail (error, "A START without " PARALLEL_FRAME_MAGIC);
  if (!cursor.truncated && !check_version (version, error))
    return FALSE;

  start->descriptors = get_number (&cursor, 2);
  start->frame_limit = get_number (&cursor, 4);
  start->token = get_bytes (&cursor, PARALLEL_FRAME_TOKEN_SIZE);
  if (cursor.truncated || cursor.size > 0)
    return fail (error, "A START of the wrong size");
  if ((start->descriptors & ~KNOWN_DESCRIPTORS) != 0)
    return fail (error, "A START with unknown descriptors");
  if (start->frame_limit < PARALLEL_FRAME_HANDSHAKE_LIMIT)
    return fail (error, "A START with too small a frame limit");

  return TRUE;
}

gboolean
parallel_frame_parse_ready (GBytes              *payload,
                            ParallelFrameReady  *ready,
                            GError             **error)
{
  Cursor cursor = cursor_of (payload);
  guint version = get_number (&cursor, 2);

  if (!cursor.truncated && !check_version (version, error))
    return FALSE;

  ready->descriptors = get_number (&cursor, 2);
  ready->pid = get_number (&cursor, 4);
  ready->stack_signal = get_number (&cursor, 1);
  if (cursor.truncated)
    return fail (error, "A READY of the wrong size");
  if ((ready->descriptors & ~KNOWN_DESCRIPTORS) != 0)
    return fail (error, "A READY with unknown descriptors");
  ready->host = (const char *) get_rest (&cursor, &ready->host_size);

  return TRUE;
}

gboolean
parallel_frame_next_request (GBytes                *payload,
                             gsize                 *offset,
                             ParallelFrameRequest  *request,
                             GError               **error)
{
  Cursor cursor = cursor_of (payload);
  gsize whole = cursor.size;

  get_bytes (&cursor, *offset);
  if (cursor.size == 0 && *offset > 0)
    return FALSE;

  request->serial = get_number (&cursor, 8);
  request->flags = get_number (&cursor, 1);
  request->size = get_number (&cursor, 4);
  request->data = get_bytes (&cursor, request->size);
  if (cursor.truncated)
    return fail (error, "A RUN with a truncated request");
  if (request->serial == 0)
    return fail (error, "A request with the serial 0");
  if ((request->flags & ~PARALLEL_FRAME_CLAIMED) != 0)
    return fail (error, "A request with unknown flags");
  *offset = whole - cursor.size;

  return TRUE;
}

static gboolean
get_outcome (Cursor           *cursor,
             ParallelOutcome  *outcome,
             GError          **error)
{
  guint kind = get_number (cursor, 1);

  *outcome = (ParallelOutcome) { .kind = kind };
  if (!cursor->truncated && kind == PARALLEL_OUTCOME_FAILED)
    {
      outcome->message_size = get_number (cursor, 4);
      outcome->message = get_bytes (cursor, outcome->message_size);
    }
  if (cursor->truncated)
    return fail (error, "A truncated outcome");
  if (kind > PARALLEL_OUTCOME_NOTHING)
    return fail (error, "An unknown outcome");
  outcome->data = get_rest (cursor, &outcome->size);
  if (kind == PARALLEL_OUTCOME_NOTHING && outcome->size > 0)
    return fail (error, "An outcome of nothing, with data");

  return TRUE;
}

gboolean
parallel_frame_parse_outcome (GBytes           *payload,
                              ParallelOutcome  *outcome,
                              GError          **error)
{
  Cursor cursor = cursor_of (payload);

  return get_outcome (&cursor, outcome, error);
}

gboolean
parallel_frame_parse_result (GBytes           *payload,
                             guint64          *serial,
                             ParallelOutcome  *outcome,
                             GError          **error)
{
  Cursor cursor = cursor_of (payload);

  *serial = get_number (&cursor, 8);
  if (!get_outcome (&cursor, outcome, error))
    return FALSE;
  if (*serial == 0)
    return fail (error, "A RESULT with the serial 0");
  if (outcome->kind == PARALLEL_OUTCOME_NOTHING)
    return fail (error, "A RESULT with nothing to do");

  return TRUE;
}

/* What is no number between 0 and 1 is no reason to end a worker. */
static double
tidy_progress (double progress)
{
  if (isnan (progress) || progress < 0)
    return -1;

  return MIN (progress, 1);
}

gboolean
parallel_frame_parse_alive (GBytes      *payload,
                            double      *progress,
                            const char **status,
                            gsize       *status_size,
                            GError     **error)
{
  Cursor cursor = cursor_of (payload);
  guint64 bits = get_number (&cursor, 8);
  double value;

  if (cursor.truncated)
    return fail (error, "A truncated ALIVE");

  memcpy (&value, &bits, sizeof value);
  *progress = tidy_progress (value);
  *status = (const char *) get_rest (&cursor, status_size);

  return TRUE;
}

/* ---- writing ---- */

static void
put_number (GByteArray *buffer,
            guint64     value,
            gsize       size)
{
  guint64 little = GUINT64_TO_LE (value);

  g_byte_array_append (buffer, (const guint8 *) &little, size);
}

static void
put_bytes (GByteArray   *buffer,
           gconstpointer data,
           gsize         size)
{
  g_assert (size <= G_MAXUINT);

  if (size > 0)
    g_byte_array_append (buffer, data, size);
}

void
parallel_frame_put_head (GByteArray        *buffer,
                         ParallelFrameKind  kind,
                         gsize              size)
{
  g_assert (size < G_MAXUINT32);

  put_number (buffer, size + 1, 4);
  put_number (buffer, kind, 1);
}

void
parallel_frame_put_start (GByteArray               *buffer,
                          const ParallelFrameStart *start)
{
  parallel_frame_put_head (buffer, PARALLEL_FRAME_START, MAGIC_SIZE + 2 + 2 + 4 + PARALLEL_FRAME_TOKEN_SIZE);
  put_bytes (buffer, PARALLEL_FRAME_MAGIC, MAGIC_SIZE);
  put_number (buffer, PARALLEL_FRAME_VERSION, 2);
  put_number (buffer, start->descriptors, 2);
  put_number (buffer, start->frame_limit, 4);
  put_bytes (buffer, start->token, PARALLEL_FRAME_TOKEN_SIZE);
}

void
parallel_frame_put_ready (GByteArray               *buffer,
                          const ParallelFrameReady *ready)
{
  parallel_frame_put_head (buffer, PARALLEL_FRAME_READY, 2 + 2 + 4 + 1 + ready->host_size);
  put_number (buffer, PARALLEL_FRAME_VERSION, 2);
  put_number (buffer, ready->descriptors, 2);
  put_number (buffer, ready->pid, 4);
  put_number (buffer, ready->stack_signal, 1);
  put_bytes (buffer, ready->host, ready->host_size);
}

void
parallel_frame_put_request (GByteArray *buffer,
                            guint64     serial,
                            guint       flags,
                            gsize       size)
{
  g_assert (size <= G_MAXUINT32);

  put_number (buffer, serial, 8);
  put_number (buffer, flags, 1);
  put_number (buffer, size, 4);
}

static gsize
measure_outcome (const ParallelOutcome *outcome)
{
  gsize size = 1 + outcome->size;

  if (outcome->kind == PARALLEL_OUTCOME_FAILED)
    size += 4 + outcome->message_size;

  return size;
}

static void
put_outcome_head (GByteArray            *buffer,
                  const ParallelOutcome *outcome)
{
  put_number (buffer, outcome->kind, 1);
  if (outcome->kind == PARALLEL_OUTCOME_FAILED)
    {
      put_number (buffer, outcome->message_size, 4);
      put_bytes (buffer, outcome->message, outcome->message_size);
    }
}

void
parallel_frame_put_outcome (GByteArray            *buffer,
                            ParallelFrameKind      kind,
                            const ParallelOutcome *outcome)
{
  parallel_frame_put_head (buffer, kind, measure_outcome (outcome));
  put_outcome_head (buffer, outcome);
}

void
parallel_frame_put_result (GByteArray            *buffer,
                           guint64                serial,
                           const ParallelOutcome *outcome)
{
  parallel_frame_put_head (buffer, PARALLEL_FRAME_RESULT, 8 + measure_outcome (outcome));
  put_number (buffer, serial, 8);
  put_outcome_head (buffer, outcome);
}

void
parallel_frame_put_alive (GByteArray *buffer,
                          double      progress,
                          const char *status)
{
  gsize size = status != NULL ? strlen (status) : 0;
  guint64 bits;

  memcpy (&bits, &progress, sizeof bits);
  parallel_frame_put_head (buffer, PARALLEL_FRAME_ALIVE, 8 + size);
  put_number (buffer, bits, 8);
  put_bytes (buffer, status, size);
}

void
parallel_frame_put_mark (GByteArray   *buffer,
                         const guint8 *token,
                         guint64       serial)
{
  put_bytes (buffer, token, PARALLEL_FRAME_TOKEN_SIZE);
  put_number (buffer, serial, 8);
}
