-- Notes how far partitions are written, and finds those that the view was written from before, but has lost.
--
-- KEYS: delivered
-- ARGV: triples of partition, next offset ('' to look only), and '1' where a partition that is not known may be new
-- Returns the partitions that are not known and may not be new.
local lost = {}
for i = 1, #ARGV, 3 do
  local partition, next_offset, may_be_new = unpack(ARGV, i, i + 2)
  if may_be_new ~= '1' and redis.call('HEXISTS', KEYS[1], partition) == 0 then
    lost[#lost + 1] = partition
  elseif next_offset ~= '' then
    redis.call('HSET', KEYS[1], partition, next_offset)
  end
end
return lost
