/* test-frame.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-frame.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#define LIMIT    (64 * 1024)
#define BIG_SIZE (64u * 1024 * 1024)

static const guint8 token[PARALLEL_FRAME_TOKEN_SIZE] = "0120120123456789";

/* ---- the reader ---- */

static void
add_frame (GByteArray *bytes,
           guint       kind,
           const void *payload,
           gsize       size)
{
  parallel_frame_put_head (bytes, kind, size);
  if (size > 0)
    g_byte_array_append (bytes, payload, size);
}

/* As a read() with @wanted bytes would do. */
static gsize
give (ParallelFrameReader *reader,
      const guint8        *data,
      gsize                size)
{
  gsize room = 0;
  guint8 *place = parallel_frame_reader_reserve (reader, &room);

  g_assert_cmpuint (room, >, 0);
  size = MIN (size, room);
  memcpy (place, data, size);
  parallel_frame_reader_commit (reader, size);

  return size;
}

static void
assert_frame (ParallelFrameReader *reader,
              guint                expected_kind,
              const void          *expected,
              gsize                expected_size)
{
  g_autoptr (GError) error = NULL;
  guint kind = 0;
  g_autoptr (GBytes) payload = parallel_frame_reader_take (reader, &kind, &error);
  gsize size;
  const void *data;

  g_assert_no_error (error);
  g_assert_nonnull (payload);
  g_assert_cmpuint (kind, ==, expected_kind);
  data = g_bytes_get_data (payload, &size);
  g_assert_cmpuint (size, ==, expected_size);
  g_assert_true (size == 0 || memcmp (data, expected, size) == 0);
}

static void
assert_no_frame (ParallelFrameReader *reader,
                 gsize                pending)
{
  g_autoptr (GError) error = NULL;
  guint kind = 0;

  g_assert_null (parallel_frame_reader_take (reader, &kind, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (parallel_frame_reader_get_pending (reader), ==, pending);
}

/* Three frames, cut at every two places. */
static void
test_pieces (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  add_frame (bytes, PARALLEL_FRAME_RUN, "abc", 3);
  add_frame (bytes, PARALLEL_FRAME_LEAVE, NULL, 0);
  add_frame (bytes, 255, "\0\1\2\3\4\5", 6);
  g_assert_cmpuint (bytes->len, ==, 8 + 5 + 11);

  for (gsize first = 0; first <= bytes->len; first++)
    for (gsize second = first; second <= bytes->len; second++)
      {
        g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (LIMIT);
        gsize cuts[] = { first, second, bytes->len };
        gsize given = 0;
        guint n_frames = 0;
        guint kind;

        for (guint i = 0; i < 3; i++)
          {
            given += give (reader, bytes->data + given, cuts[i] - given);
            g_assert_cmpuint (given, ==, cuts[i]);
            while (TRUE)
              {
                g_autoptr (GBytes) payload = parallel_frame_reader_take (reader, &kind, NULL);

                if (payload == NULL)
                  break;
                g_assert_cmpuint (kind, ==, ((const guint[]) { 3, 4, 255 })[n_frames]);
                g_assert_cmpuint (g_bytes_get_size (payload), ==, ((const guint[]) { 3, 0, 6 })[n_frames]);
                n_frames++;
              }
            g_assert_cmpuint (n_frames, ==, (given >= 8) + (given >= 13) + (given >= 24));
          }
        assert_no_frame (reader, 0);
      }
}

/* Sizes around those where the reader does something else, one after the other, in pieces of several sizes. */
static void
test_sizes (void)
{
  static const gsize sizes[] = { 0, 1, 16383, 16384, 16385, 32767, 32768, 32769, 65530, 65531, 65532, 65535, 65536,
                                 65537, 131071, 131072, 131073, 5, 300000, 0, 7 };
  static const gsize pieces[] = { 1, 13, 1000, 65536, 1000000000 };
  static const guint kinds[] = { PARALLEL_FRAME_RUN, PARALLEL_FRAME_RESULT, PARALLEL_FRAME_SETUP, PARALLEL_FRAME_SET_UP };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree guint8 *content = g_malloc (300000);

  for (guint i = 0; i < 300000; i++)
    content[i] = i * 7 + i / 256;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    add_frame (bytes, kinds[i % 4], content, sizes[i]);

  for (guint p = 0; p < G_N_ELEMENTS (pieces); p++)
    {
      g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (1000000);
      gsize given = 0;
      gsize end = 0;

      for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
        {
          end += 5 + sizes[i];
          while (given < end)
            given += give (reader, bytes->data + given, MIN (pieces[p], bytes->len - given));
          assert_frame (reader, kinds[i % 4], content, sizes[i]);
        }
      g_assert_cmpuint (given, ==, bytes->len);
      assert_no_frame (reader, 0);
    }
}

/* The buffer is given without taking, as nobody should, but nothing is lost. */
static void
test_never_taken (void)
{
  static const gsize sizes[] = { 50000, 50000, 100000, 10, 70000, 50000 };
  g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (1000000);
  g_autofree guint8 *content = g_malloc (100000);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (guint i = 0; i < 100000; i++)
    content[i] = i * 7 + i / 256;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    add_frame (bytes, i + 1, content, sizes[i]);
  for (gsize given = 0; given < bytes->len;)
    given += give (reader, bytes->data + given, bytes->len - given);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    assert_frame (reader, i + 1, content, sizes[i]);
  assert_no_frame (reader, 0);
}

static void
assert_refused (ParallelFrameReader *reader,
                const char          *message)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      guint kind;

      g_assert_null (parallel_frame_reader_take (reader, &kind, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
      g_assert_cmpstr (error->message, ==, message);
    }
}

static void
test_bad_length (void)
{
  g_autoptr (ParallelFrameReader) zero = parallel_frame_reader_new (LIMIT);
  g_autoptr (ParallelFrameReader) over = parallel_frame_reader_new (10);
  g_autoptr (ParallelFrameReader) huge = parallel_frame_reader_new (G_MAXUINT32);
  g_autoptr (ParallelFrameReader) good = parallel_frame_reader_new (10);

  give (zero, (const guint8 *) "\0\0\0", 3);
  assert_no_frame (zero, 3);
  give (zero, (const guint8 *) "\0", 1);
  assert_refused (zero, "A frame of length 0");

  give (good, (const guint8 *) "\12\0\0\0\3abcdefghi", 14);
  assert_frame (good, PARALLEL_FRAME_RUN, "abcdefghi", 9);

  /* It is refused when its length is known, and goes on to be so. */
  give (over, (const guint8 *) "\13\0\0\0", 4);
  assert_refused (over, "A frame of 11 bytes, where 10 are the limit");
  give (over, (const guint8 *) "\3abcdefghij", 11);
  parallel_frame_reader_set_limit (over, 11);
  assert_refused (over, "A frame of 11 bytes, where 11 are the limit");

  give (huge, (const guint8 *) "\377\377\377\377\3", 5);
  assert_no_frame (huge, 5);
}

static void
test_new_limit (void)
{
  g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (2);

  give (reader, (const guint8 *) "\2\0\0\0\101x\4\0\0\0\101xyz", 14);
  assert_frame (reader, PARALLEL_FRAME_READY, "x", 1);
  parallel_frame_reader_set_limit (reader, 4);
  assert_frame (reader, PARALLEL_FRAME_READY, "xyz", 3);
}

static gint64
memory_now (void)
{
  g_autofree char *text = NULL;
  gint64 pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  pages = g_ascii_strtoll (text, NULL, 10);

  return pages * 4096;
}

/* A length of 1 GiB and little behind it: neither memory nor so much as address space is taken for it. */
static void
test_promises (void)
{
  g_autoptr (GPtrArray) readers = g_ptr_array_new_with_free_func ((GDestroyNotify) parallel_frame_reader_free);
  static const guint8 head[1000] = { 0, 0, 0, 64, PARALLEL_FRAME_RUN };
  gint64 before = memory_now ();

  for (guint i = 0; i < 100; i++)
    {
      ParallelFrameReader *reader = parallel_frame_reader_new (G_MAXUINT32);
      gsize room;

      g_ptr_array_add (readers, reader);
      g_assert_cmpuint (give (reader, head, sizeof head), ==, sizeof head);
      assert_no_frame (reader, sizeof head);
      parallel_frame_reader_reserve (reader, &room);
      g_assert_cmpuint (room, <=, 65536);
    }
  g_assert_cmpint (memory_now () - before, <, 100 * 70000 + 4 * 1024 * 1024);
}

/* There is never room for more than what has come already, or a chunk; and the data is where it came to, aligned. */
static void
check_big (guint kind,
           gsize data_offset)
{
  g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (G_MAXUINT32);
  g_autoptr (GByteArray) head = g_byte_array_new ();
  g_autoptr (GBytes) payload = NULL;
  const guint8 *last_place = NULL;
  const guint8 *data;
  gsize given = 0;
  guint taken_kind;

  parallel_frame_put_head (head, kind, BIG_SIZE);
  give (reader, head->data, head->len);
  while (given < BIG_SIZE)
    {
      gsize room = 0;
      guint8 *place = parallel_frame_reader_reserve (reader, &room);

      g_assert_cmpuint (room, <=, MAX (65536, given + 64));
      g_assert_cmpuint (room, <=, BIG_SIZE - given);
      for (gsize i = 0; i < room; i++)
        place[i] = (given + i) * 31 >> 4;
      parallel_frame_reader_commit (reader, room);
      given += room;
      last_place = place + room;
    }

  payload = parallel_frame_reader_take (reader, &taken_kind, NULL);
  g_assert_nonnull (payload);
  g_assert_cmpuint (taken_kind, ==, kind);
  g_assert_cmpuint (g_bytes_get_size (payload), ==, BIG_SIZE);
  data = g_bytes_get_data (payload, NULL);
  g_assert_true (data + BIG_SIZE == last_place);
  g_assert_cmpuint ((gsize) (data + data_offset) % 8, ==, 0);
  for (gsize i = 0; i < BIG_SIZE; i++)
    if (data[i] != (guint8) (i * 31 >> 4))
      g_error ("Byte %" G_GSIZE_FORMAT " is wrong", i);
  give (reader, (const guint8 *) "\1\0\0\0\4", 5);
  assert_frame (reader, PARALLEL_FRAME_LEAVE, NULL, 0);
}

static void
test_big (void)
{
  check_big (PARALLEL_FRAME_RUN, PARALLEL_FRAME_REQUEST_HEAD);
  check_big (PARALLEL_FRAME_RESULT, 9);
  check_big (PARALLEL_FRAME_SETUP, 0);
  check_big (PARALLEL_FRAME_SET_UP, 1);
}

/* The memory that a big frame came into is the payload's: nothing is allocated for it. */
static void
test_no_copy (void)
{
  g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (LIMIT);
  g_autoptr (GBytes) payload = NULL;
  g_autofree guint8 *content = g_malloc0 (40000);
  gsize room = 0;
  guint8 *place = parallel_frame_reader_reserve (reader, &room);
  guint kind;

  memcpy (place, "\101\234\0\0\101", 5);   /* 40001 */
  memcpy (place + 5, content, 40000);
  parallel_frame_reader_commit (reader, 40005);
  payload = parallel_frame_reader_take (reader, &kind, NULL);
  g_assert_true (g_bytes_get_data (payload, NULL) == place + 5);
  assert_no_frame (reader, 0);
}

/* A million small frames: each is taken where it is. With a move for each this would take minutes. */
static void
test_many (void)
{
  g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (LIMIT);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize given = 0;
  guint n_frames = 0;
  guint kind;

  for (guint i = 0; i < 1000000; i++)
    add_frame (bytes, PARALLEL_FRAME_RUN, &i, i % 4 + 1);
  while (given < bytes->len)
    {
      given += give (reader, bytes->data + given, bytes->len - given);
      while (TRUE)
        {
          g_autoptr (GBytes) payload = parallel_frame_reader_take (reader, &kind, NULL);

          if (payload == NULL)
            break;
          g_assert_cmpuint (g_bytes_get_size (payload), ==, n_frames % 4 + 1);
          n_frames++;
        }
    }
  g_assert_cmpuint (n_frames, ==, 1000000);
}

/* ---- payloads ---- */

/* The payload of the only frame in @bytes. */
static GBytes *
payload_of (GByteArray *bytes,
            guint       expected_kind)
{
  g_autoptr (ParallelFrameReader) reader = parallel_frame_reader_new (LIMIT);
  guint kind = 0;
  GBytes *payload;

  g_assert_cmpuint (give (reader, bytes->data, bytes->len), ==, bytes->len);
  payload = parallel_frame_reader_take (reader, &kind, NULL);
  g_assert_nonnull (payload);
  g_assert_cmpuint (kind, ==, expected_kind);
  assert_no_frame (reader, 0);
  g_byte_array_set_size (bytes, 0);

  return payload;
}

typedef gboolean (*ParseFunc) (GBytes  *payload,
                               GError **error);

/* @payload but for its end is refused, unless it is cut where it may end. */
static void
check_truncated (GBytes    *payload,
                 ParseFunc  parse,
                 gsize      shortest)
{
  for (gsize size = 0; size <= g_bytes_get_size (payload); size++)
    {
      g_autoptr (GError) error = NULL;
      /* In memory of its own, so that a read beyond its end is seen by a checker. */
      g_autoptr (GBytes) part = g_bytes_new (g_bytes_get_data (payload, NULL), size);
      gboolean res = parse (part, &error);

      g_assert_cmpint (res, ==, size >= shortest);
      if (res)
        g_assert_no_error (error);
      else
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

/* @payload is refused when the byte at @offset is @value. */
static void
check_wrong (GBytes     *payload,
             ParseFunc   parse,
             gsize       offset,
             guint8      value,
             const char *message)
{
  g_autoptr (GError) error = NULL;
  gsize size = g_bytes_get_size (payload);
  g_autofree guint8 *data = g_memdup2 (g_bytes_get_data (payload, NULL), size);
  g_autoptr (GBytes) wrong = NULL;

  data[offset] = value;
  wrong = g_bytes_new (data, size);
  g_assert_false (parse (wrong, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_cmpstr (error->message, ==, message);
}

static gboolean
parse_start (GBytes  *payload,
             GError **error)
{
  ParallelFrameStart start;

  return parallel_frame_parse_start (payload, &start, error);
}

static void
test_start (void)
{
  static const guint8 expected[] = "\35\0\0\0\1PGLW\1\0\3\0\4\3\2\1" "0120120123456789";
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) payload = NULL;
  g_autoptr (GBytes) longer = NULL;
  ParallelFrameStart start = { 3, 0x01020304, token };

  parallel_frame_put_start (bytes, &start);
  g_assert_cmpmem (bytes->data, bytes->len, expected, sizeof expected - 1);
  payload = payload_of (bytes, PARALLEL_FRAME_START);
  memset (&start, 0, sizeof start);
  g_assert_true (parallel_frame_parse_start (payload, &start, NULL));
  g_assert_cmpuint (start.descriptors, ==, PARALLEL_FRAME_HAS_CLAIMS | PARALLEL_FRAME_HAS_STACKS);
  g_assert_cmpuint (start.frame_limit, ==, 0x01020304);
  g_assert_cmpmem (start.token, 16, token, 16);

  check_truncated (payload, parse_start, 28);
  longer = g_bytes_new (expected + 5, 29);
  g_assert_false (parse_start (longer, NULL));
  check_wrong (payload, parse_start, 3, 'w', "A START without PGLW");
  check_wrong (payload, parse_start, 4, 2, "Version 2 of the worker protocol, where only version 1 is known");
  check_wrong (payload, parse_start, 6, 4, "A START with unknown descriptors");
  g_assert_cmpuint (((const guint8 *) g_bytes_get_data (payload, NULL))[11], ==, 1);
  check_wrong (payload, parse_start, 5, 1, "Version 257 of the worker protocol, where only version 1 is known");
}

static void
test_start_limit (void)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();
      g_autoptr (GBytes) payload = NULL;
      ParallelFrameStart start = { 0, PARALLEL_FRAME_HANDSHAKE_LIMIT - i, token };

      parallel_frame_put_start (bytes, &start);
      payload = payload_of (bytes, PARALLEL_FRAME_START);
      g_assert_cmpint (parse_start (payload, NULL), ==, i == 0);
    }
}

static gboolean
parse_ready (GBytes  *payload,
             GError **error)
{
  ParallelFrameReady ready;

  return parallel_frame_parse_ready (payload, &ready, error);
}

static void
test_ready (void)
{
  static const guint8 expected[] = "\16\0\0\0\101\1\0\1\0\4\3\2\1\14host";
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) payload = NULL;
  ParallelFrameReady ready = { 1, 0x01020304, 12, "host", 4 };

  parallel_frame_put_ready (bytes, &ready);
  g_assert_cmpmem (bytes->data, bytes->len, expected, sizeof expected - 1);
  payload = payload_of (bytes, PARALLEL_FRAME_READY);
  memset (&ready, 0, sizeof ready);
  g_assert_true (parallel_frame_parse_ready (payload, &ready, NULL));
  g_assert_cmpuint (ready.descriptors, ==, PARALLEL_FRAME_HAS_CLAIMS);
  g_assert_cmpuint (ready.pid, ==, 0x01020304);
  g_assert_cmpuint (ready.stack_signal, ==, 12);
  g_assert_cmpmem (ready.host, ready.host_size, "host", 4);

  check_truncated (payload, parse_ready, 9);
  check_wrong (payload, parse_ready, 0, 0, "Version 0 of the worker protocol, where only version 1 is known");
  check_wrong (payload, parse_ready, 3, 128, "A READY with unknown descriptors");
}

static gboolean
parse_requests (GBytes  *payload,
                GError **error)
{
  g_autoptr (GError) local = NULL;
  ParallelFrameRequest request;
  gsize offset = 0;

  while (parallel_frame_next_request (payload, &offset, &request, &local))
    ;
  if (local == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));

  return FALSE;
}

static void
test_requests (void)
{
  static const guint8 expected[] = "\47\0\0\0\3\10\7\6\5\4\3\2\1\1\3\0\0\0abc" "\11\0\0\0\0\0\0\0\0\0\0\0\0";
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) payload = NULL;
  g_autoptr (GError) error = NULL;
  ParallelFrameRequest request;
  gsize offset = 0;

  parallel_frame_put_head (bytes, PARALLEL_FRAME_RUN, 2 * PARALLEL_FRAME_REQUEST_HEAD + 3 + 9);
  parallel_frame_put_request (bytes, G_GUINT64_CONSTANT (0x0102030405060708), PARALLEL_FRAME_CLAIMED, 3);
  g_byte_array_append (bytes, (const guint8 *) "abc", 3);
  parallel_frame_put_request (bytes, 9, 0, 0);
  g_byte_array_set_size (bytes, bytes->len);
  g_assert_cmpmem (bytes->data + 5, bytes->len - 5, expected + 5, sizeof expected - 6);

  payload = g_bytes_new (bytes->data + 5, bytes->len - 5);
  g_assert_true (parallel_frame_next_request (payload, &offset, &request, &error));
  g_assert_cmpuint (offset, ==, 16);
  g_assert_true (request.serial == G_GUINT64_CONSTANT (0x0102030405060708));
  g_assert_cmpuint (request.flags, ==, PARALLEL_FRAME_CLAIMED);
  g_assert_cmpmem (request.data, request.size, "abc", 3);
  g_assert_true (parallel_frame_next_request (payload, &offset, &request, &error));
  g_assert_cmpuint (offset, ==, 29);
  g_assert_cmpuint (request.serial, ==, 9);
  g_assert_cmpuint (request.flags, ==, 0);
  g_assert_cmpuint (request.size, ==, 0);
  for (guint i = 0; i < 2; i++)
    g_assert_false (parallel_frame_next_request (payload, &offset, &request, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (offset, ==, 29);

  check_wrong (payload, parse_requests, 8, 2, "A request with unknown flags");
  check_wrong (payload, parse_requests, 16, 0, "A request with the serial 0");
  check_wrong (payload, parse_requests, 12, 255, "A RUN with a truncated request");
  check_wrong (payload, parse_requests, 25, 1, "A RUN with a truncated request");
}

static void
test_requests_truncated (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) payload = NULL;

  parallel_frame_put_request (bytes, 1, 0, 3);
  g_byte_array_append (bytes, (const guint8 *) "abc", 3);
  payload = g_bytes_new (bytes->data, bytes->len);
  check_truncated (payload, parse_requests, 16);
}

static gboolean
parse_outcome (GBytes  *payload,
               GError **error)
{
  ParallelOutcome outcome;

  return parallel_frame_parse_outcome (payload, &outcome, error);
}

static gboolean
parse_result (GBytes  *payload,
              GError **error)
{
  ParallelOutcome outcome;
  guint64 serial;

  return parallel_frame_parse_result (payload, &serial, &outcome, error);
}

/* As SET_UP or LEFT, and as RESULT, where the latter can be. */
static void
check_outcome (const ParallelOutcome *outcome,
               gsize                  shortest)
{
  for (guint as_result = 0; as_result < (outcome->kind == PARALLEL_OUTCOME_NOTHING ? 1 : 2); as_result++)
    {
      guint kind = as_result ? PARALLEL_FRAME_RESULT : PARALLEL_FRAME_LEFT;
      g_autoptr (GByteArray) bytes = g_byte_array_new ();
      g_autoptr (GBytes) payload = NULL;
      ParallelOutcome parsed;
      guint64 serial = 0;

      if (as_result)
        parallel_frame_put_result (bytes, 5, outcome);
      else
        parallel_frame_put_outcome (bytes, kind, outcome);
      if (outcome->size > 0)
        g_byte_array_append (bytes, outcome->data, outcome->size);
      payload = payload_of (bytes, kind);

      if (as_result)
        g_assert_true (parallel_frame_parse_result (payload, &serial, &parsed, NULL));
      else
        g_assert_true (parallel_frame_parse_outcome (payload, &parsed, NULL));
      g_assert_cmpuint (serial, ==, as_result ? 5 : 0);
      g_assert_cmpuint (parsed.kind, ==, outcome->kind);
      g_assert_cmpmem (parsed.message, parsed.message_size, outcome->message, outcome->message_size);
      g_assert_cmpmem (parsed.data, parsed.size, outcome->data, outcome->size);

      if (shortest > 0)
        check_truncated (payload, as_result ? parse_result : parse_outcome, shortest + 8 * as_result);
      check_wrong (payload, as_result ? parse_result : parse_outcome, 8 * as_result, 3, "An unknown outcome");
    }
}

static void
test_outcomes (void)
{
  static const guint8 data[] = "0123";
  static const guint8 message[] = "message";
  g_autoptr (GBytes) too_much = g_bytes_new ("\2x", 2);
  g_autoptr (GBytes) nothing = g_bytes_new ("\5\0\0\0\0\0\0\0\2", 9);
  g_autoptr (GBytes) no_serial = g_bytes_new ("\0\0\0\0\0\0\0\0\0", 9);

  check_outcome (&(ParallelOutcome) { PARALLEL_OUTCOME_DONE, NULL, 0, data, 4 }, 1);
  check_outcome (&(ParallelOutcome) { PARALLEL_OUTCOME_DONE, NULL, 0, NULL, 0 }, 1);
  check_outcome (&(ParallelOutcome) { PARALLEL_OUTCOME_FAILED, message, 7, data, 4 }, 1 + 4 + 7);
  check_outcome (&(ParallelOutcome) { PARALLEL_OUTCOME_FAILED, NULL, 0, NULL, 0 }, 1 + 4);
  check_outcome (&(ParallelOutcome) { PARALLEL_OUTCOME_NOTHING, NULL, 0, NULL, 0 }, 1);
  g_assert_false (parse_outcome (too_much, NULL));
  g_assert_false (parse_result (nothing, NULL));
  g_assert_false (parse_result (no_serial, NULL));
}

static gboolean
parse_alive (GBytes  *payload,
             GError **error)
{
  const char *status;
  double progress;
  gsize size;

  return parallel_frame_parse_alive (payload, &progress, &status, &size, error);
}

static void
check_alive (double      progress,
             double      expected,
             const char *status)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GBytes) payload = NULL;
  const char *parsed_status;
  double parsed = 17;
  gsize size;

  parallel_frame_put_alive (bytes, progress, status);
  payload = payload_of (bytes, PARALLEL_FRAME_ALIVE);
  g_assert_true (parallel_frame_parse_alive (payload, &parsed, &parsed_status, &size, NULL));
  g_assert_cmpfloat (parsed, ==, expected);
  g_assert_cmpmem (parsed_status, size, status, status != NULL ? strlen (status) : 0);
  check_truncated (payload, parse_alive, 8);
}

static void
test_alive (void)
{
  check_alive (0.25, 0.25, "a quarter");
  check_alive (0, 0, "");
  check_alive (1, 1, NULL);
  check_alive (-0.5, -1, "");
  check_alive (1.5, 1, "");
  check_alive (NAN, -1, "");
  check_alive (-INFINITY, -1, "");
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/frame/reader/pieces", test_pieces);
  g_test_add_func ("/frame/reader/sizes", test_sizes);
  g_test_add_func ("/frame/reader/never-taken", test_never_taken);
  g_test_add_func ("/frame/reader/bad-length", test_bad_length);
  g_test_add_func ("/frame/reader/new-limit", test_new_limit);
  g_test_add_func ("/frame/reader/promises", test_promises);
  g_test_add_func ("/frame/reader/big", test_big);
  g_test_add_func ("/frame/reader/no-copy", test_no_copy);
  g_test_add_func ("/frame/reader/many", test_many);
  g_test_add_func ("/frame/payload/start", test_start);
  g_test_add_func ("/frame/payload/start-limit", test_start_limit);
  g_test_add_func ("/frame/payload/ready", test_ready);
  g_test_add_func ("/frame/payload/requests", test_requests);
  g_test_add_func ("/frame/payload/requests-truncated", test_requests_truncated);
  g_test_add_func ("/frame/payload/outcomes", test_outcomes);
  g_test_add_func ("/frame/payload/alive", test_alive);

  return g_test_run ();
}
