/* shell-report.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-report.h"

#include <string.h>

/* So many failures are listed. With the tails of their output they take some 3 MB. */
#define MAX_LISTED  1000

#define MAX_NAME    200       /* bytes */
#define MAX_MESSAGE 1000      /* bytes */

typedef struct
{
  gint64  index;
  char   *text;
} Failure;

struct _ShellReport
{
  GArray  *failures;          /* of Failure, the first MAX_LISTED in time */
  guint64  n_failures;
  GRegex  *sequences;
};

static void
failure_clear (gpointer data)
{
  Failure *failure = data;

  g_free (failure->text);
}

ShellReport *
shell_report_new (void)
{
  ShellReport *self = g_new0 (ShellReport, 1);

  self->failures = g_array_new (FALSE, FALSE, sizeof (Failure));
  g_array_set_clear_func (self->failures, failure_clear);
  /* Colours, cursor movements, window titles. */
  self->sequences = g_regex_new ("\\x1b\\[[0-9:;<=>?]*[ -/]*[@-~]|"
                                 "\\x1b\\][^\\x07\\x1b]*(\\x07|\\x1b\\\\)",
                                 G_REGEX_OPTIMIZE, 0, NULL);
  return self;
}

void
shell_report_free (ShellReport *self)
{
  g_array_unref (self->failures);
  g_regex_unref (self->sequences);
  g_free (self);
}

static void
append_cut (GString    *text,
            const char *string,
            gsize       max)
{
  gsize length = strlen (string);

  if (length <= max)
    {
      g_string_append_len (text, string, length);
      return;
    }

  g_string_append_len (text, string, g_utf8_find_prev_char (string, string + max + 1) - string);
  g_string_append (text, "...");
}

/* Appends @string, valid UTF-8, so that it can do nothing to a terminal. */
static void
append_printable (GString    *text,
                  const char *string)
{
  for (const char *p = string; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == '\n')
        g_string_append (text, "\\n");
      else if (c != '\t' && g_unichar_iscntrl (c))
        g_string_append_printf (text, "\\x%02x", c);
      else
        g_string_append_unichar (text, c);
    }
}

/* A line of output as a terminal would show it: without colours, and what was overwritten after a
 * carriage return is not there. */
static void
append_line (ShellReport *self,
             GString     *text,
             const char  *line)
{
  g_autofree char *plain = NULL;
  char *shown;
  char *end;

  plain = g_regex_replace_literal (self->sequences, line, -1, 0, "", 0, NULL);
  if (plain == NULL)
    return;

  for (end = plain + strlen (plain); end > plain && end[-1] == '\r'; end--)
    end[-1] = '\0';
  shown = strrchr (plain, '\r');
  append_printable (text, shown != NULL ? shown + 1 : plain);
}

static void
append_indented (ShellReport *self,
                 GString     *text,
                 const char  *lines)
{
  g_auto (GStrv) split = g_strsplit (lines, "\n", -1);

  for (guint i = 0; split[i] != NULL; i++)
    {
      g_string_append (text, "      ");
      append_line (self, text, split[i]);
      g_string_append_c (text, '\n');
    }
}

static void
append_elapsed (GString *text,
                double   seconds)
{
  if (seconds < 10)
    g_string_append_printf (text, "%.2f s", seconds);
  else if (seconds < 60)
    g_string_append_printf (text, "%.1f s", seconds);
  else
    g_string_append_printf (text, "%u min %02u s", (guint) seconds / 60, (guint) seconds % 60);
}

/* The first line of a message says what happened; what follows is a diagnosis. */
static const char *
append_message (GString    *text,
                const char *message)
{
  const char *newline = strchr (message, '\n');
  g_autofree char *first = NULL;
  g_autoptr (GString) printable = g_string_new (NULL);

  first = newline != NULL ? g_strndup (message, newline - message) : g_strdup (message);
  append_printable (printable, first);
  append_cut (text, printable->str, MAX_MESSAGE);
  return newline != NULL && newline[1] != '\0' ? newline + 1 : NULL;
}

static char *
format_failure (ShellReport  *self,
                ParallelStep *step)
{
  g_autoptr (GString) text = g_string_new ("  ");
  g_autoptr (GString) printable = g_string_new (NULL);
  g_autoptr (GError) error = parallel_step_dup_error (step);
  g_autofree char *name = parallel_step_dup_name (step);
  g_autofree char *tail = parallel_step_dup_output_tail (step);
  guint attempt = parallel_step_get_attempt (step);
  g_autofree char *message = NULL;
  const char *more;

  append_printable (printable, name);
  append_cut (text, printable->str, MAX_NAME);
  g_string_append (text, ": ");
  message = g_utf8_make_valid (error != NULL ? error->message : "failed", -1);
  more = append_message (text, message);

  g_string_append (text, " (");
  if (attempt > 1)
    g_string_append_printf (text, "attempt %u, ", attempt);
  append_elapsed (text, parallel_step_get_elapsed (step));
  g_string_append (text, ")\n");

  if (more != NULL)
    append_indented (self, text, more);
  if (tail != NULL)
    append_indented (self, text, tail);

  return g_string_free (g_steal_pointer (&text), FALSE);
}

void
shell_report_add (ShellReport  *self,
                  ParallelStep *step)
{
  Failure failure;

  self->n_failures++;
  if (self->failures->len >= MAX_LISTED)
    return;

  failure.index = parallel_step_get_index (step);
  failure.text = format_failure (self, step);
  g_array_append_val (self->failures, failure);
}

guint64
shell_report_count (ShellReport *self)
{
  return self->n_failures;
}

static int
compare_failures (gconstpointer a,
                  gconstpointer b)
{
  gint64 left = ((const Failure *) a)->index;
  gint64 right = ((const Failure *) b)->index;

  return (left > right) - (left < right);
}

char *
shell_report_format (ShellReport *self,
                     guint64      n_steps)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (self->n_failures == 0)
    return NULL;

  g_string_append_printf (text, "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " %s failed:\n",
                          self->n_failures, n_steps, n_steps == 1 ? "step" : "steps");

  g_array_sort (self->failures, compare_failures);
  for (guint i = 0; i < self->failures->len; i++)
    g_string_append (text, g_array_index (self->failures, Failure, i).text);
  if (self->n_failures > self->failures->len)
    g_string_append_printf (text, "  ... and %" G_GUINT64_FORMAT " more\n",
                            self->n_failures - self->failures->len);

  return g_string_free (g_steal_pointer (&text), FALSE);
}
