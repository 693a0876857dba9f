-- Whose request this transaction is for, said as it begins; NULL: nobody's.
CREATE OR REPLACE FUNCTION kit.partner() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('coalition.partner', true), '')::uuid
$$;

-- The member who gave the consent behind it, if one did.
CREATE OR REPLACE FUNCTION kit.member() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('coalition.member', true), '')::uuid
$$;
