require_relative 'app'

# The pieces of a response as Rack wants them.
class Pieces
  def initialize(write) = @write = write
  def each(&block) = @write.call(&block)
end

run lambda { |env|
  name = File.basename(env['PATH_INFO'])
  bytes = 0
  while (piece = env['rack.input'].read(65_536)) do bytes += piece.bytesize end
  if name == 'interim' && env['rack.early_hints']
    env['rack.early_hints'].call('Link' => '</style.css>; rel=preload')
  end
  key = env.fetch('HTTP_IDEMPOTENCY_KEY', '-')
  status, headers, body = respond(name, key, env.fetch('HTTP_X_USER', '-'), bytes)
  next [status, headers, []] if body.nil?
  next [status, headers, Pieces.new(body)] unless body.is_a?(String)

  [status, headers.merge('Content-Length' => body.bytesize.to_s), [body]]
}
