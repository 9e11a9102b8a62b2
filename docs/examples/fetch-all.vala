/* fetch-all.vala URL...: fetches each URL, at most 4 at a time, by the asynchronous methods of GIO.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* A kind of task of our own. A program that is more than an example has
 * Soup.Session.send_and_read_async() in it. */
private class FetchTask : Parallel.AsyncTask {
  public override async bool run_async (Parallel.Step step, Cancellable? cancellable) throws Error {
    /* Normalized, so that it has a path and a port. */
    var uri = Uri.parse (step.input.get_string (), UriFlags.ENCODED | UriFlags.SCHEME_NORMALIZE);

    if (uri.get_scheme () != "http" || uri.get_host () == null)
      throw new IOError.NOT_SUPPORTED ("This is not an http URL");

    string host = uri.get_host ();
    uint16 port = (uint16) uri.get_port ();
    string target = uri.get_path () + (uri.get_query () != null ? "?" + uri.get_query () : "");
    string request = "GET %s HTTP/1.0\r\nHost: %s:%d\r\n\r\n".printf (target, host, port);
    var connection = yield new SocketClient ().connect_to_host_async (host, port, cancellable);
    var output = connection.output_stream;
    yield output.write_all_async (request.data, Priority.DEFAULT, cancellable, null);

    step.set_result (yield read_answer (connection.input_stream, cancellable));
    return true;
  }

  /* The status, and the length of the body. */
  private async string read_answer (InputStream stream, Cancellable? cancellable) throws Error {
    var input = new DataInputStream (stream) { newline_type = DataStreamNewlineType.CR_LF };
    var body = new MemoryOutputStream.resizable ();
    string? status_line = yield input.read_line_async (Priority.DEFAULT, cancellable);

    if (status_line == null || !status_line.has_prefix ("HTTP/1.") || status_line.length < 12)
      throw new IOError.INVALID_DATA ("The answer is not HTTP");

    /* The head ends at the first empty line. */
    while (((yield input.read_line_async (Priority.DEFAULT, cancellable)) ?? "") != "");
    yield body.splice_async (input, OutputStreamSpliceFlags.NONE, Priority.DEFAULT, cancellable);
    return "%s %zu".printf (status_line[9:12], body.get_data_size ());
  }
}

private async bool fetch_all (string[] urls) throws Error {
  var runner = new Parallel.BackgroundTaskRunner (new FetchTask ()) {
    max_parallel = 4,
    keep_steps = Parallel.KeepSteps.ALL
  };
  bool succeeded = true;

  foreach (unowned string url in urls)
    runner.put (url);
  runner.close ();

  try {
    yield runner.wait_async ();
  } catch (Parallel.RunError.BACKGROUND_FAILURE error) {
    succeeded = false;
  }
  foreach (var step in runner.dup_steps ()) {
    if (step.state == Parallel.StepState.SUCCEEDED)
      stdout.printf ("%s %s\n", step.get_result ().get_string (), step.dup_input_text ());
    else
      stderr.printf ("%s: %s\n", step.dup_input_text (), step.error.message);
  }
  return succeeded;
}

private async int main (string[] args) {
  if (args.length < 2) {
    stderr.printf ("usage: fetch-all URL...\n");
    return 2;
  }
  try {
    return (yield fetch_all (args[1:])) ? 0 : 1;
  } catch (Error error) {
    stderr.printf ("%s\n", error.message);
    return 1;
  }
}
