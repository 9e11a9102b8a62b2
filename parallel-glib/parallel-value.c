/* parallel-value.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-value.h"

#define MAX_TEXT 200    /* bytes of a value's text */

/* The size of a variant that is printed. */
#define MAX_PRINTED 4096

/* Cuts @text, valid UTF-8, to at most MAX_TEXT bytes and an ellipsis. */
static char *
take_bounded (char *text)
{
  const char *end;

  if (strlen (text) <= MAX_TEXT)
    return text;

  end = g_utf8_find_prev_char (text, text + MAX_TEXT + 1);
  memcpy (text + (end - text), "…", strlen ("…") + 1);
  return text;
}

/* To print a big one takes seconds, and nobody would see more than its beginning. */
static char *
describe_variant (GVariant *variant)
{
  if (g_variant_get_size (variant) <= MAX_PRINTED)
    return g_variant_print (variant, FALSE);

  return g_strdup_printf ("%s of %" G_GSIZE_FORMAT " bytes", g_variant_get_type_string (variant),
                          g_variant_get_size (variant));
}

char *
parallel_value_dup_text (const GValue *value)
{
  g_autofree char *contents = NULL;

  if (!parallel_value_is_set (value))
    return NULL;

  if (G_VALUE_HOLDS_STRING (value))
    {
      const char *string = g_value_get_string (value);

      return string == NULL ? g_strdup ("NULL") : g_utf8_make_valid (string, -1);
    }
  if (G_VALUE_HOLDS_VARIANT (value) && g_value_get_variant (value) != NULL)
    contents = describe_variant (g_value_get_variant (value));
  else if (G_VALUE_HOLDS (value, G_TYPE_BYTES) && g_value_get_boxed (value) != NULL)
    contents = g_strdup_printf ("%" G_GSIZE_FORMAT " bytes", g_bytes_get_size (g_value_get_boxed (value)));
  else
    contents = g_strdup_value_contents (value);

  return take_bounded (g_utf8_make_valid (contents, -1));
}

gboolean
parallel_value_is_none (const GValue *value)
{
  return value == NULL ||
         (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)) == G_TYPE_POINTER && g_value_get_pointer (value) == NULL);
}

gboolean
parallel_value_is_plain (const GValue *value)
{
  if (!parallel_value_is_set (value))
    return TRUE;

  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)))
    {
    case G_TYPE_INTERFACE:
    case G_TYPE_BOXED:
    case G_TYPE_OBJECT:
      return FALSE;

    default:
      return G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)) <= G_TYPE_VARIANT;
    }
}

gboolean
parallel_set_string (char       **field,
                     const char  *value)
{
  char *previous = *field;

  if (g_strcmp0 (previous, value) == 0)
    return FALSE;

  *field = g_strdup (value);
  g_free (previous);
  return TRUE;
}
