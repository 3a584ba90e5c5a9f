#!/usr/bin/env bash
# ruby-httpclient 2.8.3 (Debian 12): a POST whose connection is closed without a response is sent once more, on a new connection too.
#
# Guess: the error is named KeepAliveDisconnected: a request on a connection that was kept, and that the server had closed before, is
#   sent again. On a new connection, or when the server closes it after it got the request, a POST raises an error, as with Net::HTTP,
#   which repeats idempotent methods only.
# What happens: any end of the connection before the response counts, whatever the method, and also on the first request of a new
#   client. The whole body is sent again, once. If that gets a response the caller sees nothing of the first; if not, the error
#   comes after the second. There is no setting for it.
# Why it matters: a server that is stopped while it charges has charged, and its successor charges again. It looks like one request
#   that was a bit slow. Send an Idempotency-Key.
# Needs apt-get of Debian 12 on amd64 or arm64; everything is on loopback; installs nothing outside a temporary folder. Fails when the
# behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=3.1.7+really3.1.2-0+deb12u1
apt-get download -q "ruby3.1=$version" "libruby3.1=$version" libyaml-0-2 ruby-httpclient=2.8.3+git20211122.4658227-1 2>&1 |
  grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.rb <<'RUBY'
require 'httpclient'
require 'net/http'
require 'socket'

# Responds to every request but those with the body "close", and the first one with "close once": then it closes the connection.
server = TCPServer.new('127.0.0.1', 0)
received = Queue.new
closed = 0
Thread.new do
  loop do
    Thread.new(server.accept) do |socket|
      while socket.gets
        length = 0
        while (line = socket.gets) && line != "\r\n"
          length = line.split(':')[1].to_i if line.downcase.start_with?('content-length:')
        end
        body = socket.read(length)
        received << body
        break if body == 'close' || (body == 'close once' && (closed += 1) == 1)
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
      end
      socket.close
    end
  end
end
uri = URI("http://127.0.0.1:#{server.addr[1]}/charges")

report = lambda do |name, &post|
  result = begin
    post.call
    'a response'
  rescue StandardError => e
    e.class
  end
  bodies = Array.new(received.size) { received.pop }
  puts "#{name}: #{result}, received #{bodies.count { |body| body.start_with?('close') }} times"
end

report.call('httpclient, new connection') { HTTPClient.new.post(uri, 'close') }
report.call('httpclient, new connection, closed once') { HTTPClient.new.post(uri, 'close once') }
client = HTTPClient.new
report.call('httpclient, kept connection') { %w[hello close].each { |body| client.post(uri, body) } }
report.call('Net::HTTP, new connection') { Net::HTTP.post(uri, 'close') }
Net::HTTP.start(uri.host, uri.port) do |http|
  report.call('Net::HTTP, kept connection') { %w[hello close].each { |body| http.post(uri.path, body) } }
end
RUBY
root=$folder/root
library=$(dirname "$(find "$root" -name 'libruby-3.1.so.3.1')")
LD_LIBRARY_PATH=$library "$root/usr/bin/ruby3.1" --disable-gems -I "$root/usr/lib/ruby/3.1.0" -I "$library/ruby/3.1.0" \
  -I "$(dirname "$(find "$root" -name httpclient.rb)")" find.rb | tee output
diff output - <<'EXPECTED'
httpclient, new connection: HTTPClient::KeepAliveDisconnected, received 2 times
httpclient, new connection, closed once: a response, received 2 times
httpclient, kept connection: HTTPClient::KeepAliveDisconnected, received 2 times
Net::HTTP, new connection: EOFError, received 1 times
Net::HTTP, kept connection: EOFError, received 1 times
EXPECTED
