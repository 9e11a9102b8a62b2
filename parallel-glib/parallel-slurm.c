/* parallel-slurm.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-slurm.h"

#include <string.h>

#include "parallel-run-error.h"

ParallelPlace *
parallel_place_new (const char *node,
                    guint       n_slots)
{
  ParallelPlace *self = g_new (ParallelPlace, 1);

  self->node = g_strdup (node);
  self->n_slots = n_slots;

  return self;
}

void
parallel_place_free (gpointer place)
{
  ParallelPlace *self = place;

  g_free (self->node);
  g_free (self);
}

/* What is not understood comes from outside, and may be anything. */
static void
set_error (GError     **error,
           const char  *what,
           const char  *text)
{
  g_autofree char *shown = g_utf8_make_valid (text, MIN (strlen (text), 200));

  g_set_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
               "Slurm’s %s is not understood: “%s”", what, shown);
}

/* ---- numbers ---- */

/* Reads digits, at most nine. Returns how many there were. */
static gsize
read_number (const char **text,
             guint       *number)
{
  const char *start = *text;

  *number = 0;
  while (g_ascii_isdigit (**text) && *text - start < 9)
    {
      *number = *number * 10 + (guint) g_ascii_digit_value (**text);
      (*text)++;
    }

  return g_ascii_isdigit (**text) ? 0 : *text - start;
}

/* "(x3)", or nothing, which is 1. */
static gboolean
read_repetition (const char **text,
                 guint       *n)
{
  *n = 1;
  if (**text != '(')
    return TRUE;
  if (!g_str_has_prefix (*text, "(x"))
    return FALSE;

  *text += strlen ("(x");
  if (read_number (text, n) == 0 || *n == 0 || **text != ')')
    return FALSE;
  (*text)++;

  return TRUE;
}

GArray *
parallel_slurm_expand_cpus (const char  *text,
                            GError     **error)
{
  g_autoptr (GArray) cpus = g_array_new (FALSE, FALSE, sizeof (guint));
  const char *rest = text;

  for (;;)
    {
      guint number;
      guint n;

      if (read_number (&rest, &number) == 0 || number == 0 || !read_repetition (&rest, &n)
          || cpus->len + n > PARALLEL_SLURM_MAX_NODES)
        break;

      while (n-- > 0)
        g_array_append_val (cpus, number);

      if (*rest == '\0')
        return g_steal_pointer (&cpus);
      if (*rest++ != ',')
        break;
    }

  set_error (error, "number of CPUs", text);
  return NULL;
}

/* ---- nodes ---- */

/* Appends what "3" or "07-10" gives behind @stem; leading zeros are kept. */
static gboolean
read_range (const char **text,
            const char  *stem,
            GPtrArray   *names)
{
  guint first;
  guint last;
  gsize width = read_number (text, &first);

  last = first;
  if (width == 0)
    return FALSE;
  if (**text == '-')
    {
      (*text)++;
      if (read_number (text, &last) == 0 || last < first)
        return FALSE;
    }
  if (last - first >= PARALLEL_SLURM_MAX_NODES - MIN (names->len, PARALLEL_SLURM_MAX_NODES))
    return FALSE;

  for (guint number = first; number <= last; number++)
    g_ptr_array_add (names, g_strdup_printf ("%s%0*u", stem, (int) width, number));

  return TRUE;
}

/* "[1-3,07]" behind each of @stems; the last numbers change first. */
static GPtrArray *
read_ranges (const char **text,
             GPtrArray   *stems)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *start = *text;

  for (guint i = 0; i < stems->len; i++)
    {
      *text = start;
      do
        {
          (*text)++;
          if (!read_range (text, stems->pdata[i], names))
            return NULL;
        }
      while (**text == ',');
      if (**text != ']')
        return NULL;
      (*text)++;
    }

  return g_steal_pointer (&names);
}

static GPtrArray *
append_text (GPtrArray  *stems,
             const char *text,
             gsize       length)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < stems->len; i++)
    g_ptr_array_add (names, g_strdup_printf ("%s%.*s", (char *) stems->pdata[i], (int) length, text));

  return names;
}

/* One entry, up to a comma or the end: text and ranges by turns. */
static GPtrArray *
read_nodes (const char **text)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *start = *text;

  g_ptr_array_add (names, g_strdup (""));
  while (**text != '\0' && **text != ',')
    {
      gsize length = strcspn (*text, "[],");
      GPtrArray *next;

      if (**text == '[')
        next = read_ranges (text, names);
      else if (length > 0 && length < 256)
        {
          next = append_text (names, *text, length);
          *text += length;
        }
      else
        next = NULL;

      if (next == NULL)
        return NULL;
      g_ptr_array_unref (names);
      names = next;
    }

  return *text > start ? g_steal_pointer (&names) : NULL;
}

GPtrArray *
parallel_slurm_expand_nodes (const char  *text,
                             GError     **error)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func (g_free);
  const char *rest = text;

  for (;;)
    {
      GPtrArray *names = read_nodes (&rest);

      if (names == NULL)
        break;
      if (nodes->len + names->len > PARALLEL_SLURM_MAX_NODES)
        {
          g_ptr_array_unref (names);
          break;
        }
      g_ptr_array_extend_and_steal (nodes, names);

      if (*rest == '\0')
        return g_steal_pointer (&nodes);
      rest++;
    }

  set_error (error, "list of nodes", text);
  return NULL;
}

/* ---- the environment ---- */

GPtrArray *
parallel_slurm_find_places (const char * const *env,
                            GError            **error)
{
  const char *node_text = g_environ_getenv ((char **) env, "SLURM_JOB_NODELIST");
  const char *cpu_text = g_environ_getenv ((char **) env, "SLURM_JOB_CPUS_PER_NODE");
  g_autoptr (GPtrArray) places = g_ptr_array_new_with_free_func (parallel_place_free);
  g_autoptr (GPtrArray) nodes = NULL;
  g_autoptr (GArray) cpus = NULL;

  if (node_text == NULL || cpu_text == NULL)
    {
      g_set_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                   "Slurm does not say what its allocation has: there is no variable %s",
                   node_text == NULL ? "SLURM_JOB_NODELIST" : "SLURM_JOB_CPUS_PER_NODE");
      return NULL;
    }

  nodes = parallel_slurm_expand_nodes (node_text, error);
  if (nodes == NULL)
    return NULL;
  cpus = parallel_slurm_expand_cpus (cpu_text, error);
  if (cpus == NULL)
    return NULL;

  if (nodes->len != cpus->len)
    {
      g_set_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                   "Slurm gives CPUs for %u nodes, “%.200s”, but the allocation has %u, “%.200s”",
                   cpus->len, cpu_text, nodes->len, node_text);
      return NULL;
    }

  for (guint i = 0; i < nodes->len; i++)
    g_ptr_array_add (places, parallel_place_new (nodes->pdata[i], g_array_index (cpus, guint, i)));

  return g_steal_pointer (&places);
}

gboolean
parallel_slurm_is_id (const char *text)
{
  if (!g_ascii_isalnum (text[0]))
    return FALSE;

  for (const char *at = text; *at != '\0'; at++)
    {
      if (!g_ascii_isalnum (*at) && strchr ("_+.", *at) == NULL)
        return FALSE;
    }

  return TRUE;
}
