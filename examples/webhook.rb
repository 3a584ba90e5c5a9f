# Receives and verifies webhooks of oncekey, with the standard library of Ruby: ruby webhook.rb
require 'json'
require 'openssl'
require 'socket'
require 'timeout'

SECRET = ENV.fetch('ONCEKEY_WEBHOOK_SECRET') { abort 'ONCEKEY_WEBHOOK_SECRET is not set: the whsec_... of the endpoint' }
KEY = SECRET.delete_prefix('whsec_').unpack1('m0')
TOLERANCE_S = 300
MAX_BODY_BYTES = 100_000

def same?(expected, given)
  # It takes the same time whatever is equal.
  given.bytesize == expected.bytesize && OpenSSL.fixed_length_secure_compare(expected, given)
end

def verified?(headers, body)
  id, timestamp = headers.values_at('webhook-id', 'webhook-timestamp').map(&:to_s)
  return false unless timestamp.match?(/\A[0-9]{1,12}\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE_S

  expected = "v1,#{[OpenSSL::HMAC.digest('SHA256', KEY, "#{id}.#{timestamp}.".b + body)].pack('m0')}"
  # Several while the secret rotates: one that matches is enough.
  headers['webhook-signature'].to_s.split(' ').map { |one| same?(expected, one) }.any?
end

def receive(connection)
  Timeout.timeout(15) do
    connection.gets("\r\n", 16_384)
    headers = {}
    while (line = connection.gets("\r\n", 16_384)&.chomp) && !line.empty? && headers.size < 100
      name, value = line.b.split(':', 2)
      headers[name.downcase] = value.to_s.strip
    end
    # The bytes as they came. What is longer has another signature.
    body = connection.read([headers['content-length'].to_i, MAX_BODY_BYTES].min).to_s
    ok = verified?(headers, body)
    connection.write("HTTP/1.1 #{ok ? '204 No Content' : '401 Unauthorized'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    # Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
    puts JSON.parse(body).values_at('type', 'id').join(' ') if ok
  end
rescue SystemCallError, IOError, Timeout::Error, JSON::ParserError => error
  warn error.message
ensure
  connection.close
end

# Behind a web server Rack does what is done by hand here.
$stdout.sync = true
server = TCPServer.new('127.0.0.1', Integer(ENV.fetch('PORT', '3000')))
loop { Thread.new(server.accept) { |connection| receive(connection) } }
