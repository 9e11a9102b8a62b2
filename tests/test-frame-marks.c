/* test-frame-marks.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-frame.h"

#include <string.h>

static const guint8 token[PARALLEL_FRAME_TOKEN_SIZE] = "0120120123456789";

static void
on_plain (const guint8 *data,
          gsize         size,
          gpointer      user_data)
{
  g_assert_cmpuint (size, >, 0);
  g_string_append_len (user_data, (const char *) data, size);
}

static void
on_mark (guint64  serial,
         gpointer user_data)
{
  g_string_append_printf (user_data, "<%" G_GUINT64_FORMAT ">", serial);
}

/* @text in three pieces with every two cuts, and byte by byte. */
static void
check_marks (const GByteArray *text,
             const char       *expected)
{
  for (gsize first = 0; first <= text->len; first++)
    for (gsize second = first; second <= text->len; second++)
      {
        g_autoptr (GString) got = g_string_new (NULL);
        ParallelMarkFinder finder = { 0 };
        gsize cuts[] = { first, second, text->len };
        gsize given = 0;

        memcpy (finder.token, token, sizeof token);
        for (guint i = 0; i < 3; i++)
          {
            parallel_mark_finder_feed (&finder, text->data + given, cuts[i] - given, on_plain, on_mark, got);
            given = cuts[i];
          }
        parallel_mark_finder_end (&finder, on_plain, got);
        g_assert_cmpstr (got->str, ==, expected);
      }
}

static void
check_marks_bytewise (const GByteArray *text,
                      const char       *expected)
{
  g_autoptr (GString) got = g_string_new (NULL);
  ParallelMarkFinder finder = { 0 };

  memcpy (finder.token, token, sizeof token);
  for (gsize i = 0; i < text->len; i++)
    parallel_mark_finder_feed (&finder, text->data + i, 1, on_plain, on_mark, got);
  parallel_mark_finder_end (&finder, on_plain, got);
  parallel_mark_finder_end (&finder, on_plain, got);
  g_assert_cmpstr (got->str, ==, expected);
}

/* @pattern is text, where # is a mark with the next serial. */
static void
check_pattern (const char *pattern)
{
  g_autoptr (GByteArray) text = g_byte_array_new ();
  g_autoptr (GString) expected = g_string_new (NULL);
  guint serial = 0;

  for (const char *c = pattern; *c != 0; c++)
    if (*c == '#')
      {
        g_string_append_printf (expected, "<%u>", ++serial);
        parallel_frame_put_mark (text, token, serial);
      }
    else
      {
        g_string_append_c (expected, *c);
        g_byte_array_append (text, (const guint8 *) c, 1);
      }

  check_marks (text, expected->str);
  check_marks_bytewise (text, expected->str);
}

/* The token begins with 0120120123, so that much of it looks like its beginning. */
static void
test_marks (void)
{
  check_pattern ("");
  check_pattern ("plain");
  check_pattern ("#");
  check_pattern ("ab#cd##e#");
  check_pattern ("012#");
  check_pattern ("0120#");
  check_pattern ("012012#");
  check_pattern ("012012012#012012012");
  check_pattern ("012012012012012012012#");
  check_pattern ("012012012345678#");
  check_pattern ("0120120123456780120120123456x");
  check_pattern ("0120120123456780120120123456#");
  check_pattern ("00000#0101010#1");
}

/* A stream that ends in a mark has not got that one. */
static void
test_cut_marks (void)
{
  for (guint size = 0; size < PARALLEL_FRAME_MARK_SIZE; size++)
    {
      g_autoptr (GByteArray) mark = g_byte_array_new ();
      g_autoptr (GString) got = g_string_new (NULL);
      ParallelMarkFinder finder = { 0 };

      memcpy (finder.token, token, sizeof token);
      parallel_frame_put_mark (mark, token, 0x4242424242424242);
      parallel_mark_finder_feed (&finder, mark->data, size, on_plain, on_mark, got);
      g_assert_cmpuint (got->len, ==, 0);
      parallel_mark_finder_end (&finder, on_plain, got);
      g_assert_cmpmem (got->str, got->len, mark->data, size);
    }
}

/* What cannot be a mark any more is handed out at once, so that it is seen. */
static void
test_plain_at_once (void)
{
  g_autoptr (GString) got = g_string_new (NULL);
  ParallelMarkFinder finder = { 0 };

  memcpy (finder.token, token, sizeof token);
  parallel_mark_finder_feed (&finder, (const guint8 *) "Name? 01", 8, on_plain, on_mark, got);
  g_assert_cmpstr (got->str, ==, "Name? ");
  parallel_mark_finder_feed (&finder, (const guint8 *) "0", 1, on_plain, on_mark, got);
  g_assert_cmpstr (got->str, ==, "Name? 01");
  parallel_mark_finder_feed (&finder, (const guint8 *) "x", 1, on_plain, on_mark, got);
  g_assert_cmpstr (got->str, ==, "Name? 010x");
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/frame/marks/pieces", test_marks);
  g_test_add_func ("/frame/marks/cut", test_cut_marks);
  g_test_add_func ("/frame/marks/at-once", test_plain_at_once);

  return g_test_run ();
}
