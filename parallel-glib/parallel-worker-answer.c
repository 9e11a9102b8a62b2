/* parallel-worker-answer.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-answer.h"

#include <string.h>

#include "parallel-run-error.h"

/* A message is a line for a person; all of it is in the details. */
#define MAX_MESSAGE (8 * 1024)

char *
parallel_worker_text_shorten (const char *text,
                              gsize       max_size)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  if (strlen (valid) > max_size)
    *g_utf8_find_prev_char (valid, valid + max_size + 1) = 0;

  return g_steal_pointer (&valid);
}

/* Any bytes are an array of numbers, if they are enough for the last one. GVariant would look at each of them. */
static gboolean
is_array_of_numbers (const char *type,
                     gsize       size)
{
  static const struct { const char *types; gsize size; } numbers[] =
  {
    { "y", 1 }, { "nq", 2 }, { "iuh", 4 }, { "xtd", 8 },
  };

  if (type[0] != 'a' || type[1] == 0 || type[2] != 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (strchr (numbers[i].types, type[1]) != NULL)
      return size % numbers[i].size == 0;

  return FALSE;
}

/* NULL if the bytes are not in the normal form. */
static GVariant *
parse_child (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  const guint8 *end = memrchr (data, 0, size);
  g_autofree char *type = NULL;
  g_autoptr (GBytes) child = NULL;
  g_autoptr (GVariant) value = NULL;
  gboolean trusted;

  if (end == NULL)
    return NULL;
  type = g_strndup ((const char *) end + 1, data + size - end - 1);
  if (!g_variant_type_string_is_valid (type) || !g_variant_type_is_definite (G_VARIANT_TYPE (type)))
    return NULL;

  child = g_bytes_new_from_bytes (bytes, 0, end - data);
  trusted = is_array_of_numbers (type, end - data);
  value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), child, trusted));
  if (!trusted && !g_variant_is_normal_form (value))
    return NULL;

  return G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (value) : g_steal_pointer (&value);
}

GVariant *
parallel_worker_value_parse (GBytes  *bytes,
                             GError **error)
{
  GVariant *value;

  if (g_bytes_get_size (bytes) == 0)
    return g_variant_ref_sink (g_variant_new_tuple (NULL, 0));

  value = parse_child (bytes);
  if (value == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "The input is not a serialised variant");

  return value;
}

gboolean
parallel_worker_value_check_size (GVariant  *value,
                                  guint32    limit,
                                  GError   **error)
{
  gsize frame_overhead = 1 + sizeof (guint64) + 1 + 1 + strlen (g_variant_get_type_string (value));
  gsize size = g_variant_get_size (value);

  if (size <= limit - MIN (frame_overhead, limit))
    return TRUE;

  g_set_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
               "The result has %" G_GSIZE_FORMAT " bytes, and the runner takes no more than %u",
               size, limit);

  return FALSE;
}

/* One line, whatever the error says: what stands before the first empty line. What follows it, as the stack of an exception
 * of another language, is in the details. */
static char *
make_message (const GError *error)
{
  const char *start = error->message + strspn (error->message, "\r\n");
  const char *end = strstr (start, "\n\n");
  g_autofree char *summary = end != NULL ? g_strndup (start, end - start) : g_strdup (start);
  g_autofree char *message = parallel_worker_text_shorten (summary, MAX_MESSAGE);

  g_strstrip (message);
  g_strdelimit (message, "\r\n", ' ');

  return g_steal_pointer (&message);
}

static GVariant *
describe_error (const GError *error)
{
  g_autofree char *message = g_utf8_make_valid (error->message, -1);

  return g_variant_new ("(sis)", g_quark_to_string (error->domain), error->code, message);
}

/* The child's bytes, which may be many, are not copied. */
static void
set_value (ParallelWorkerAnswer *self,
           GVariant             *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);

  self->value = G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (owned) : g_variant_ref (owned);
  self->type = g_byte_array_new ();
  g_byte_array_append (self->type, (const guint8 *) "", 1);
  g_byte_array_append (self->type, (const guint8 *) g_variant_get_type_string (value),
                       strlen (g_variant_get_type_string (value)));
}

static void
clear_value (ParallelWorkerAnswer *self)
{
  g_clear_pointer (&self->value, g_variant_unref);
  g_clear_pointer (&self->type, g_byte_array_unref);
}

static gsize
measure_value (ParallelWorkerAnswer *self)
{
  return self->value != NULL ? g_variant_get_size (self->value) + self->type->len : 0;
}

void
parallel_worker_answer_init (ParallelWorkerAnswer *self,
                             guint32               limit,
                             ParallelFrameKind     kind,
                             guint64               serial,
                             GVariant             *value,
                             const GError         *failure)
{
  ParallelOutcome outcome = { value != NULL ? PARALLEL_OUTCOME_DONE : PARALLEL_OUTCOME_NOTHING };
  g_autofree char *message = NULL;

  *self = (ParallelWorkerAnswer) { g_byte_array_new () };
  if (failure != NULL)
    {
      message = make_message (failure);
      outcome = (ParallelOutcome) { PARALLEL_OUTCOME_FAILED, (const guint8 *) message, strlen (message) };
      set_value (self, describe_error (failure));
      /* Rather no details than no message. */
      if (measure_value (self) > limit - 2 * MAX_MESSAGE)
        clear_value (self);
    }
  else if (value != NULL)
    {
      set_value (self, value);
    }

  outcome.size = measure_value (self);
  if (kind == PARALLEL_FRAME_RESULT)
    parallel_frame_put_result (self->head, serial, &outcome);
  else
    parallel_frame_put_outcome (self->head, kind, &outcome);
}

void
parallel_worker_answer_clear (ParallelWorkerAnswer *self)
{
  g_clear_pointer (&self->head, g_byte_array_unref);
  clear_value (self);
}

void
parallel_worker_answer_get_parts (ParallelWorkerAnswer *self,
                                  struct iovec         *parts)
{
  parts[0] = (struct iovec) { self->head->data, self->head->len };
  parts[1] = parts[2] = (struct iovec) { NULL, 0 };
  if (self->value == NULL)
    return;

  parts[1] = (struct iovec) { (gpointer) g_variant_get_data (self->value), g_variant_get_size (self->value) };
  parts[2] = (struct iovec) { self->type->data, self->type->len };
}
