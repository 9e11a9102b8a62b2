/* test-remote-command.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-remote-command.h"

#include <string.h>

/* What programs print, in pieces that are cut anywhere. */

typedef struct
{
  GString *out[2];
} Printed;

static void
piece_cb (gpointer              user_data,
          ParallelOutputStream  stream,
          const guint8         *data,
          gsize                 size)
{
  Printed *printed = user_data;

  g_assert_cmpuint (size, >, 0);
  g_string_append_len (printed->out[stream], (const char *) data, size);
}

static void
add (GByteArray           *bytes,
     ParallelOutputStream  stream,
     const char           *text)
{
  guint8 head[PARALLEL_REMOTE_PIECE_HEAD];

  parallel_remote_put_piece (head, stream, strlen (text));
  g_byte_array_append (bytes, head, sizeof head);
  g_byte_array_append (bytes, (const guint8 *) text, strlen (text));
}

static void
feed (ParallelPieces *pieces,
      GByteArray     *bytes,
      gsize           from,
      gsize           to,
      Printed        *printed)
{
  parallel_pieces_feed (pieces, bytes->data + from, to - from, piece_cb, printed);
}

/* In three parts, and in parts of the same size. */
static void
check_cuts (GByteArray *bytes,
            const char *out,
            const char *err)
{
  for (gsize first = 0; first <= bytes->len; first++)
    for (gsize second = first; second <= bytes->len; second++)
      {
        ParallelPieces pieces = { { 0 } };
        Printed printed = { { g_string_new (NULL), g_string_new (NULL) } };

        feed (&pieces, bytes, 0, first, &printed);
        feed (&pieces, bytes, first, second, &printed);
        feed (&pieces, bytes, second, bytes->len, &printed);
        g_assert_cmpstr (printed.out[PARALLEL_OUTPUT_STREAM_STDOUT]->str, ==, out);
        g_assert_cmpstr (printed.out[PARALLEL_OUTPUT_STREAM_STDERR]->str, ==, err);
        g_assert_cmpuint (pieces.n_head, ==, 0);
        g_string_free (printed.out[0], TRUE);
        g_string_free (printed.out[1], TRUE);
      }
}

static void
test_cuts (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_test_summary ("Wherever they are cut, the pieces are the same");
  add (bytes, PARALLEL_OUTPUT_STREAM_STDOUT, "one");
  add (bytes, PARALLEL_OUTPUT_STREAM_STDERR, "two, longer");
  add (bytes, PARALLEL_OUTPUT_STREAM_STDOUT, "");
  add (bytes, PARALLEL_OUTPUT_STREAM_STDOUT, "\n");
  add (bytes, PARALLEL_OUTPUT_STREAM_STDERR, "");
  add (bytes, PARALLEL_OUTPUT_STREAM_STDERR, "x");
  check_cuts (bytes, "one\n", "two, longerx");
}

static void
test_bytes (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  ParallelPieces pieces = { { 0 } };
  Printed printed = { { g_string_new (NULL), g_string_new (NULL) } };
  g_autofree char *much = g_strnfill (PARALLEL_REMOTE_MAX_PIECE, 'x');

  g_test_summary ("Byte by byte, the greatest piece");
  add (bytes, PARALLEL_OUTPUT_STREAM_STDERR, much);
  for (gsize i = 0; i < bytes->len; i++)
    feed (&pieces, bytes, i, i + 1, &printed);
  g_assert_cmpstr (printed.out[PARALLEL_OUTPUT_STREAM_STDERR]->str, ==, much);
  g_assert_cmpuint (printed.out[PARALLEL_OUTPUT_STREAM_STDOUT]->len, ==, 0);
  g_string_free (printed.out[0], TRUE);
  g_string_free (printed.out[1], TRUE);
}

static void
test_no_command (void)
{
  static const char * const texts[] = { "'text'", "@a{sv} {}", "{'argv': <@aay []>}", "{'argv': <'text'>}" };

  g_test_summary ("What is no command is refused");
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (texts[i]));
      g_autoptr (GError) error = NULL;

      g_assert_null (parallel_remote_parse_command (value, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/remote-command/cuts", test_cuts);
  g_test_add_func ("/remote-command/bytes", test_bytes);
  g_test_add_func ("/remote-command/no-command", test_no_command);
  return g_test_run ();
}
