/* parallel-failure.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-failure.h"

#include <string.h>

#include "parallel-run-error.h"

#define MAX_LINES 20          /* in one message */
#define MAX_NAME  80          /* bytes of a step's name in a line */

void
parallel_failure_line_free (ParallelFailureLine *line)
{
  g_free (line->text);
  g_free (line);
}

/* Cuts @text, valid UTF-8, at @length bytes and at the end of its first line. */
static char *
first_line (const char *text,
            gsize       length)
{
  const char *newline = strchr (text, '\n');
  gsize n = newline != NULL ? (gsize) (newline - text) : strlen (text);
  const char *end;

  if (n <= length)
    return g_strndup (text, n);

  end = g_utf8_find_prev_char (text, text + length + 1);
  return g_strdup_printf ("%.*s…", (int) (end - text), text);
}

char *
parallel_failure_describe (ParallelStep *step)
{
  g_autofree char *full_name = parallel_step_dup_name (step);
  g_autofree char *name = first_line (full_name, MAX_NAME);
  g_autoptr (GError) error = parallel_step_dup_error (step);
  g_autofree char *last_line = parallel_step_dup_last_line (step);
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_append_printf (line, "%s: %s (after %.1f s", name, error->message,
                          parallel_step_get_elapsed (step));
  if (parallel_step_get_attempt (step) > 1)
    g_string_append_printf (line, ", attempt %u", parallel_step_get_attempt (step));
  g_string_append_c (line, ')');
  if (last_line != NULL && last_line[0] != '\0')
    g_string_append_printf (line, "; last output: %s", last_line);

  return g_string_free (g_steal_pointer (&line), FALSE);
}

void
parallel_failure_line_add (GPtrArray  *lines,
                           gint64      index,
                           const char *text)
{
  ParallelFailureLine *line;
  guint at = lines->len;

  while (at > 0 && ((ParallelFailureLine *) g_ptr_array_index (lines, at - 1))->index > index)
    at--;
  if (at >= MAX_LINES)
    return;

  line = g_new (ParallelFailureLine, 1);
  line->index = index;
  line->text = g_strdup (text);
  g_ptr_array_insert (lines, at, line);
  if (lines->len > MAX_LINES)
    g_ptr_array_set_size (lines, MAX_LINES);
}

GError *
parallel_failure_join (GPtrArray *lines,
                       guint64    n_failed,
                       guint64    n_steps)
{
  g_autoptr (GString) message = g_string_new (NULL);

  g_string_append_printf (message, "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " steps failed:",
                          n_failed, n_steps);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (message, "\n%s", ((ParallelFailureLine *) g_ptr_array_index (lines, i))->text);
  if (n_failed > lines->len)
    g_string_append_printf (message, "\n… and %" G_GUINT64_FORMAT " more", n_failed - lines->len);

  return g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE, message->str);
}
