/* parallel-sequencer-tagged.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-sequencer-private.h"

#include <string.h>

/* Where to cut a line that is too long: not within a UTF-8 character, if it is UTF-8. */
static gsize
cut_line (const char *data)
{
  for (gsize cut = PARALLEL_TAGGED_MAX_LINE; cut > PARALLEL_TAGGED_MAX_LINE - 4; cut--)
    if (((guchar) data[cut] & 0xc0) != 0x80)
      return cut;

  return PARALLEL_TAGGED_MAX_LINE;
}

/* The length of the next line to print, without its newline; FALSE when it is not there yet. */
static gboolean
find_line (const char *data,
           gsize       length,
           gboolean    final,
           gsize      *line,
           gboolean   *has_newline)
{
  const char *newline = memchr (data, '\n', MIN (length, PARALLEL_TAGGED_MAX_LINE + 1));

  *has_newline = (newline != NULL);
  if (newline != NULL)
    *line = newline - data;
  else if (length > PARALLEL_TAGGED_MAX_LINE)
    *line = cut_line (data);
  else
    *line = length;

  return newline != NULL || length > PARALLEL_TAGGED_MAX_LINE || (final && length > 0);
}

gsize
parallel_sequencer_tag_lines (GString    *lines,
                              const char *name,
                              const char *data,
                              gsize       length,
                              gboolean    final)
{
  gsize done = 0;
  gsize line;
  gboolean has_newline;

  while (find_line (data + done, length - done, final, &line, &has_newline))
    {
      g_string_append (lines, name);
      g_string_append_c (lines, '\t');
      g_string_append_len (lines, data + done, line);
      g_string_append_c (lines, '\n');
      done += line + (has_newline ? 1 : 0);
    }

  return done;
}
