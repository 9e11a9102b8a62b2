/* fuzz-frame.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Any bytes at all, to what reads the frames, marks and values of the worker protocol. They are given in one piece and in
 * pieces, which must come to the same.
 *
 * As a test it runs over the files of the corpus. To look for more of them:
 *
 *   CC=clang meson setup _build-fuzz -Dfuzz=true -Dintrospection=disabled
 *   meson compile -C _build-fuzz fuzz-frame
 *   mkdir -p _build-fuzz/corpus
 *   _build-fuzz/tests/fuzz/fuzz-frame -max_total_time=120 _build-fuzz/corpus tests/fuzz/corpus
 */

#include "parallel-frame.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#include "parallel-worker-answer.h"

#define MAX_LIMIT (300 * 1000)

int LLVMFuzzerTestOneInput (const guint8 *data,
                            gsize         size);

/* What was read, in a form that can be compared. */
static void
note (GString    *log,
      const char *what,
      const void *data,
      gsize       size)
{
  g_string_append_printf (log, "%s %" G_GSIZE_FORMAT ":", what, size);
  g_string_append_len (log, size > 0 ? data : "", size);
}

/* A failure must say so, and say why. */
static void
check_failure (GString  *log,
               gboolean  success,
               GError   *error)
{
  g_assert_true (success == (error == NULL));
  if (error == NULL)
    return;

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  note (log, "error", error->message, strlen (error->message));
  g_error_free (error);
}

/* What was understood is written again, and must be the same bytes. */
static void
check_rewritten (GByteArray *bytes,
                 GBytes     *payload,
                 const void *data,
                 gsize       size)
{
  if (size > 0)
    g_byte_array_append (bytes, data, size);
  g_assert_cmpmem (bytes->data + 5, bytes->len - 5,
                   g_bytes_get_data (payload, NULL), g_bytes_get_size (payload));
}

static void
try_start (GBytes  *payload,
           GString *log)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GError *error = NULL;
  ParallelFrameStart start;
  gboolean success = parallel_frame_parse_start (payload, &start, &error);

  check_failure (log, success, error);
  if (!success)
    return;
  parallel_frame_put_start (bytes, &start);
  check_rewritten (bytes, payload, NULL, 0);
}

static void
try_ready (GBytes  *payload,
           GString *log)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GError *error = NULL;
  ParallelFrameReady ready;
  gboolean success = parallel_frame_parse_ready (payload, &ready, &error);

  check_failure (log, success, error);
  if (!success)
    return;
  parallel_frame_put_ready (bytes, &ready);
  check_rewritten (bytes, payload, NULL, 0);
}

static void
try_requests (GBytes  *payload,
              GString *log)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GError *error = NULL;
  ParallelFrameRequest request;
  gsize offset = 0;

  parallel_frame_put_head (bytes, PARALLEL_FRAME_RUN, 0);
  while (parallel_frame_next_request (payload, &offset, &request, &error))
    {
      g_assert_cmpuint (request.serial, >, 0);
      note (log, "request", request.data, request.size);
      parallel_frame_put_request (bytes, request.serial, request.flags, request.size);
      if (request.size > 0)
        g_byte_array_append (bytes, request.data, request.size);
    }
  if (error == NULL)
    check_rewritten (bytes, payload, NULL, 0);
  check_failure (log, error == NULL, error);
}

static void
try_outcome (GBytes  *payload,
             GString *log)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GError *error = NULL;
  ParallelOutcome outcome;
  gboolean success = parallel_frame_parse_outcome (payload, &outcome, &error);

  check_failure (log, success, error);
  if (!success)
    return;
  note (log, "message", outcome.message, outcome.message_size);
  note (log, "data", outcome.data, outcome.size);
  parallel_frame_put_outcome (bytes, PARALLEL_FRAME_LEFT, &outcome);
  check_rewritten (bytes, payload, outcome.data, outcome.size);
}

static void
try_result (GBytes  *payload,
            GString *log)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GError *error = NULL;
  ParallelOutcome outcome;
  guint64 serial;
  gboolean success = parallel_frame_parse_result (payload, &serial, &outcome, &error);

  check_failure (log, success, error);
  if (!success)
    return;
  parallel_frame_put_result (bytes, serial, &outcome);
  check_rewritten (bytes, payload, outcome.data, outcome.size);
}

static void
try_alive (GBytes  *payload,
           GString *log)
{
  GError *error = NULL;
  const char *status;
  double progress;
  gsize size;
  gboolean success = parallel_frame_parse_alive (payload, &progress, &status, &size, &error);

  check_failure (log, success, error);
  if (!success)
    return;
  g_assert_true (progress == -1 || (progress >= 0 && progress <= 1));
  note (log, "status", status, size);
}

static void
try_payload (guint    kind,
             GBytes  *payload,
             GString *log)
{
  note (log, "frame", g_bytes_get_data (payload, NULL), g_bytes_get_size (payload));
  g_string_append_printf (log, "%u", kind);
  switch (kind)
    {
    case PARALLEL_FRAME_START:
      try_start (payload, log);
      break;
    case PARALLEL_FRAME_RUN:
      try_requests (payload, log);
      break;
    case PARALLEL_FRAME_READY:
      try_ready (payload, log);
      break;
    case PARALLEL_FRAME_SET_UP:
    case PARALLEL_FRAME_LEFT:
      try_outcome (payload, log);
      break;
    case PARALLEL_FRAME_RESULT:
      try_result (payload, log);
      break;
    case PARALLEL_FRAME_ALIVE:
      try_alive (payload, log);
      break;
    default:
      break;
    }
}

/* Sizes of pieces that are the same in each run of the same input. */
static gsize
next_piece (guint32 *state)
{
  *state = *state * 1664525u + 1013904223u;

  switch (*state >> 30)
    {
    case 0:
      return 1;
    case 1:
      return 1 + (*state >> 24) % 8;
    case 2:
      return 1 + (*state >> 16) % 1000;
    default:
      return 1 + (*state >> 8) % 100000;
    }
}

/* FALSE when there was what cannot be a frame. */
static gboolean
take_all (ParallelFrameReader *reader,
          GString             *log)
{
  while (TRUE)
    {
      GError *error = NULL;
      guint kind = 0;
      g_autoptr (GBytes) payload = parallel_frame_reader_take (reader, &kind, &error);

      if (payload == NULL && error == NULL)
        return TRUE;
      check_failure (log, payload != NULL, error);
      if (payload == NULL)
        return FALSE;
      try_payload (kind, payload, log);
    }
}

/* @state is NULL for pieces as large as they may be. */
static void
read_frames (const guint8 *data,
             gsize         size,
             guint32       limit,
             guint32      *state,
             GString      *log)
{
  g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (limit);
  gsize given = 0;

  while (given < size)
    {
      gsize room = 0;
      guint8 *place = parallel_frame_reader_reserve (reader, &room);
      gsize n = MIN (room, size - given);

      g_assert_cmpuint (room, >, 0);
      g_assert_cmpuint (room, <=, MAX (65536, parallel_frame_reader_get_pending (reader) + 64));
      if (state != NULL)
        {
          gsize piece = next_piece (state);

          n = MIN (n, piece);
        }
      memcpy (place, data + given, n);
      parallel_frame_reader_commit (reader, n);
      given += n;
      if (!take_all (reader, log))
        return;
    }

  g_string_append_printf (log, "pending %" G_GSIZE_FORMAT, parallel_frame_reader_get_pending (reader));
}

/* Plain bytes, of which the pieces do not matter, and marks. */
typedef struct
{
  GString *text;
  GString *marks;
} Stream;

static void
on_plain (const guint8 *data,
          gsize         size,
          gpointer      user_data)
{
  Stream *stream = user_data;

  g_assert_cmpuint (size, >, 0);
  g_string_append_len (stream->text, (const char *) data, size);
}

static void
on_mark (guint64  serial,
         gpointer user_data)
{
  Stream *stream = user_data;

  g_string_append_printf (stream->marks, "%" G_GSIZE_FORMAT ":%" G_GUINT64_FORMAT " ",
                          stream->text->len, serial);
}

static void
find_marks (const guint8 *token,
            const guint8 *data,
            gsize         size,
            guint32      *state,
            Stream       *stream)
{
  ParallelMarkFinder finder = { 0 };
  gsize given = 0;

  memcpy (finder.token, token, sizeof finder.token);
  while (given < size)
    {
      gsize piece = state != NULL ? next_piece (state) : size;
      gsize n = MIN (piece, size - given);

      parallel_mark_finder_feed (&finder, data + given, n, on_plain, on_mark, stream);
      given += n;
      g_assert_cmpuint (finder.n_held, <, PARALLEL_FRAME_MARK_SIZE);
    }
  parallel_mark_finder_end (&finder, on_plain, stream);
}

/* The same in the plainest way that there is. */
static void
find_marks_slowly (const guint8 *token,
                   const guint8 *data,
                   gsize         size,
                   Stream       *stream)
{
  for (gsize i = 0; i < size;)
    {
      guint64 serial = 0;

      if (size - i < PARALLEL_FRAME_MARK_SIZE || memcmp (data + i, token, PARALLEL_FRAME_TOKEN_SIZE) != 0)
        {
          on_plain (data + i++, 1, stream);
          continue;
        }
      for (guint n = PARALLEL_FRAME_MARK_SIZE; n > PARALLEL_FRAME_TOKEN_SIZE; n--)
        serial = serial << 8 | data[i + n - 1];
      on_mark (serial, stream);
      i += PARALLEL_FRAME_MARK_SIZE;
    }
}

static void
assert_same (const GString *a,
             const GString *b)
{
  g_assert_cmpmem (a->str, a->len, b->str, b->len);
}

static void
compare_marks (const guint8 *data,
               gsize         size,
               guint32       state)
{
  Stream streams[3];

  for (guint i = 0; i < 3; i++)
    streams[i] = (Stream) { g_string_new (NULL), g_string_new (NULL) };

  /* The first bytes are the token, which much of the rest may look like. */
  find_marks_slowly (data, data + PARALLEL_FRAME_TOKEN_SIZE, size - PARALLEL_FRAME_TOKEN_SIZE, &streams[0]);
  find_marks (data, data + PARALLEL_FRAME_TOKEN_SIZE, size - PARALLEL_FRAME_TOKEN_SIZE, NULL, &streams[1]);
  find_marks (data, data + PARALLEL_FRAME_TOKEN_SIZE, size - PARALLEL_FRAME_TOKEN_SIZE, &state, &streams[2]);
  for (guint i = 1; i < 3; i++)
    {
      assert_same (streams[0].text, streams[i].text);
      assert_same (streams[0].marks, streams[i].marks);
    }

  for (guint i = 0; i < 3; i++)
    {
      g_string_free (streams[i].text, TRUE);
      g_string_free (streams[i].marks, TRUE);
    }
}

/* ---- values ---- */

/* The value of a request is that which GVariant sees, where that is in the normal form. */
static void
compare_values (const guint8 *data,
                gsize         size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = parallel_worker_value_parse (bytes, &error);
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, bytes, FALSE));
  g_autoptr (GVariant) expected = g_variant_get_variant (boxed);
  g_autofree char *text = NULL;

  g_assert_true ((value == NULL) == (error != NULL));
  if (value != NULL)
    text = g_variant_print (value, TRUE);
  if (size == 0)
    return;
  /* A box is one level more, of which there may be only so many. */
  if (size < 100)
    g_assert_true (g_variant_is_normal_form (boxed) == (value != NULL));
  if (value != NULL)
    g_assert_cmpmem (g_variant_get_data (value), g_variant_get_size (value),
                     g_variant_get_data (expected), g_variant_get_size (expected));
}

/* The first byte says how it is read: as a stream of marks, a value, or frames, and with which limit; the second, in which
 * pieces. */
int
LLVMFuzzerTestOneInput (const guint8 *data,
                        gsize         size)
{
  g_autoptr (GString) whole = g_string_new (NULL);
  g_autoptr (GString) parts = g_string_new (NULL);
  guint32 limit;
  guint32 state;

  if (size < 2)
    return 0;

  state = data[1];
  if ((data[0] & 1) != 0)
    {
      if (size >= 2 + PARALLEL_FRAME_TOKEN_SIZE)
        compare_marks (data + 2, size - 2, state);
      return 0;
    }

  if ((data[0] & 4) != 0)
    {
      compare_values (data + 2, size - 2);
      return 0;
    }

  limit = (data[0] & 2) != 0 ? MAX_LIMIT : 1u << (data[0] >> 4);
  read_frames (data + 2, size - 2, limit, NULL, whole);
  read_frames (data + 2, size - 2, limit, &state, parts);
  assert_same (whole, parts);

  return 0;
}
