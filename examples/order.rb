# Places an order once and looks it up, with the standard library of Ruby: ruby order.rb [KEY]
require 'json'
require 'net/http'
require 'openssl'
require 'securerandom'

BASE = URI(ENV.fetch('ONCEKEY_URL', 'http://127.0.0.1:8080'))
CLIENT = ENV.fetch('ONCEKEY_CLIENT', 'default')
SECRET = ENV.fetch('ONCEKEY_SECRET', 'super-secret-key')
NETWORK = [SystemCallError, SocketError, EOFError, Timeout::Error, OpenSSL::SSL::SSLError, Net::HTTPBadResponse].freeze

def signature(method, target, key, body)
  t = Time.now.to_i.to_s
  text = ['v1', t, method, target, CLIENT, key, OpenSSL::Digest::SHA256.hexdigest(body)].join("\n")
  "t=#{t},v1=#{OpenSSL::HMAC.hexdigest('SHA256', SECRET, text)}"
end

def attempt(method, target, key, body)
  # The target goes out as it is given here.
  request = Net::HTTPGenericRequest.new(method, !body.empty?, true, target)
  request['X-Client-Id'] = CLIENT
  request['X-Signature'] = signature(method, target, key, body)
  request['Idempotency-Key'] = key unless key.empty?
  unless body.empty?
    request['Content-Type'] = 'application/json'
    request.body = body
  end
  options = { use_ssl: BASE.scheme == 'https', open_timeout: 15, read_timeout: 15, max_retries: 0 }
  response = Net::HTTP.start(BASE.host, BASE.port, nil, options) { |http| http.request(request) }
  [response.code.to_i, response.body, response['Retry-After']]
rescue *NETWORK => error
  [0, error.message, nil]
end

def passing?(status, received)
  case status
  when 0, 408, 425, 429, 500, 502, 503, 504 then !received.include?('"retryable":false')
  when 409 then %w[request_in_progress outcome_unknown].include?(JSON.parse(received)['code'])
  end
end

# Sends the same key and the same bytes until there is a final response; each attempt is signed anew.
def send_once(method, target, key = '', body = '')
  status, received, wait = nil
  10.times do |n|
    status, received, wait = attempt(method, target, key, body)
    break unless passing?(status, received)

    warn "attempt #{n + 1}: status #{status}"
    sleep(wait ? wait.to_f : rand * [10, 0.2 * 2**n].min)
  end
  puts "#{status} #{received}"
  exit 1 unless (200..299).cover?(status)
end

key = ARGV.fetch(0) { SecureRandom.uuid }
send_once('POST', '/orders', key, JSON.generate(user_id: 'user-1', item: 'Käse', amount: '19.90'))
send_once('GET', "/orders?#{URI.encode_www_form(idempotency_key: key)}")
